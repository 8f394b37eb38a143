// OpenCV.js as a strict Content-Security-Policy lets it run, at build time: its bindings are called by closures instead
// of by functions that it writes as text.
import type { Plugin } from 'vite'

const INVOKER = {
  from: 'function createJsInvoker(',
  to: 'function craftInvokerFunction(',
  by: `function createJsInvoker(argTypes, isMethod, returns) {
  const collects = usesDestructorStack(argTypes)
  const count = argTypes.length - 2
  return (humanName, complain, invoker, fn, runDestructors, fromWire, thisToWire, ...rest) => {
    const [toWire, destroy] = [rest.slice(0, count), rest.slice(count)]
    return function (...given) {
      const stack = collects ? [] : null
      const wired = isMethod ? [thisToWire(stack, this)] : []
      for (let i = 0; i < count; i++) wired.push(toWire[i](stack, given[i]))
      const found = invoker(fn, ...wired)
      if (collects) runDestructors(stack)
      else {
        const owned = isMethod ? argTypes.slice(1) : argTypes.slice(2)
        let next = 0
        owned.forEach((type, i) => type.destructorFunction !== null && destroy[next++](wired[i]))
      }
      return returns ? fromWire(found) : undefined
    }
  }
}`,
}

const METHOD_CALLER = {
  from: 'var functionBody;switch(kind)',
  to: 'var functionName=',
  by: `var invokerFunction = (handle, methodName, destructorsRef, args) => {
  const given = argFromPtr.map((read, i) => read(args + i * GenericWireTypeSize))
  const of = () => Emval.toValue(handle)
  let found = given.at(-1)
  if (kind === 0) found = of()(...given)
  else if (kind === 1) found = of()[getStringOrSymbol(methodName)](...given)
  else if (kind === 2) found = new (of())(...given)
  return retType.isVoid ? undefined : emval_returnValue(toReturnWire, destructorsRef, found)
};`,
}

/** For `@opencvjs/web`. Fails the build where the package is not as expected. */
export function opencvWithoutEval(): Plugin {
  return {
    name: 'opencv-without-eval',
    enforce: 'pre',
    transform(code, id) {
      if (!/@opencvjs\/web\/lib\/opencv_js\.js/.test(id)) return null
      const made = replaced(replaced(code, INVOKER), METHOD_CALLER)
      if (/new Function\b/.test(made)) this.error('OpenCV.js still writes functions as text')
      return { code: made, map: null }
    },
  }
}

function replaced(code: string, { from, to, by }: { from: string; to: string; by: string }): string {
  const start = code.indexOf(from)
  const end = code.indexOf(to, start)
  if (start < 0 || end < 0 || code.indexOf(from, start + 1) >= 0) throw new Error(`OpenCV.js is not as expected: ${from}`)
  return code.slice(0, start) + by + code.slice(end)
}
