// What the keys do in the timeline view.

export type Action =
  | 'play'
  | 'back'
  | 'forward'
  | 'frameBack'
  | 'frameForward'
  | 'tenBack'
  | 'tenForward'
  | 'previousFind'
  | 'nextFind'
  | 'accept'
  | 'reject'
  | 'draw'
  | 'undo'
  | 'help'
  | { part: number }

export const KEYS: [string, Action, string][] = [
  ['Space', 'play', 'play and pause'],
  ['j', 'back', 'play backwards'],
  ['k', 'play', 'play and pause'],
  ['l', 'forward', 'play forwards'],
  [',', 'frameBack', 'one frame back'],
  ['.', 'frameForward', 'one frame on'],
  ['ArrowLeft', 'frameBack', 'one frame back'],
  ['ArrowRight', 'frameForward', 'one frame on'],
  ['Shift+ArrowLeft', 'tenBack', 'ten frames back'],
  ['Shift+ArrowRight', 'tenForward', 'ten frames on'],
  ['[', 'previousFind', 'to the frame before on which the stage found something; in a review to the one before'],
  [']', 'nextFind', 'to the next such frame; in a review to the next one'],
  ['a', 'accept', 'in a review: right'],
  ['x', 'reject', 'in a review: wrong'],
  ['d', 'draw', 'in a review: draw a mark that was missed'],
  ['Ctrl+z', 'undo', 'take the last step back'],
  ['?', 'help', 'this list'],
]

interface Pressed {
  key: string
  code: string
  shiftKey: boolean
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
}

/** What a pressed key is called in the list; null: one that is only held, or means something to the browser. */
export function keyName(pressed: Pressed): string | null {
  if (pressed.altKey || ['Shift', 'Control', 'Meta', 'Alt', 'Tab', 'Escape', 'Enter'].includes(pressed.key)) return null
  const name = pressed.code === 'Space' ? 'Space' : pressed.key.length === 1 ? pressed.key.toLowerCase() : pressed.key
  if (pressed.ctrlKey || pressed.metaKey) return `Ctrl+${pressed.shiftKey ? 'Shift+' : ''}${name}`
  return pressed.shiftKey && name.startsWith('Arrow') ? `Shift+${name}` : name
}

/** The keys as a user has changed them. `changed`: by the key of the list, the one that is used in its place. */
export function keysWith(changed: Record<string, string>): typeof KEYS {
  return KEYS.map(([key, action, words]) => [changed[key] ?? key, action, words])
}

/** `changed` with `to` in place of a key of the list; another that had it gets the one that is free so. */
export function rebound(changed: Record<string, string>, key: string, to: string): Record<string, string> {
  const had = changed[key] ?? key
  const other = KEYS.find(([each]) => (changed[each] ?? each) === to)?.[0]
  const made = { ...changed, [key]: to, ...(other !== undefined && other !== key ? { [other]: had } : {}) }
  return Object.fromEntries(Object.entries(made).filter(([from, now]) => from !== now))
}

/** What a key does; null: nothing. `0` to `9` go to that tenth of the timeline. */
export function actionOf(pressed: Pressed, keys = KEYS): Action | null {
  const name = keyName(pressed)
  if (name === null) return null
  const found = keys.find(([key]) => key === name)
  if (found) return found[1]
  return /^[0-9]$/.test(name) ? { part: Number(name) / 10 } : null
}

/** Whether what has the focus takes keys itself. */
export function takesKeys(element: Element | null): boolean {
  if (!(element instanceof HTMLElement)) return false
  if (element.isContentEditable || element.tagName === 'TEXTAREA' || element.tagName === 'SELECT') return true
  return element instanceof HTMLInputElement && element.type !== 'checkbox'
}
