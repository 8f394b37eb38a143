import { describe, expect, it } from 'vitest'
import { actionOf, keysWith, rebound } from './keys'

const NONE = { code: '', shiftKey: false, ctrlKey: false, metaKey: false, altKey: false }

it.each([
  ['q', {}, null],
  ['x', {}, 'reject'],
  ['A', {}, 'accept'],
  ['z', { ctrlKey: true }, 'undo'],
  ['z', { ctrlKey: true, shiftKey: true }, null],
  ['z', {}, null],
  ['Shift', { shiftKey: true }, null],
  [' ', { code: 'Space' }, 'play'],
  ['J', { shiftKey: true }, 'back'],
  ['ArrowLeft', {}, 'frameBack'],
  ['ArrowLeft', { shiftKey: true }, 'tenBack'],
  ['?', { shiftKey: true }, 'help'],
  ['7', {}, { part: 0.7 }],
  ['l', { ctrlKey: true }, null],
])('%s %j', (key, held, action) => expect(actionOf({ ...NONE, key, ...held })).toEqual(action))

describe('changed keys', () => {
  it.each([
    ['nothing', {}, 'a', 'a', {}],
    ['a free key', {}, 'a', 'q', { a: 'q' }],
    ['the key of another', {}, 'a', 'x', { a: 'x', x: 'a' }],
    ['back', { a: 'q' }, 'a', 'a', {}],
  ])('%s', (_, changed, key, to, expected) => expect(rebound(changed as never, key, to)).toEqual(expected))
  it('are used', () => {
    const keys = keysWith({ a: 'q' })
    expect(['a', 'q'].map((key) => actionOf({ ...NONE, key }, keys))).toEqual([null, 'accept'])
  })
})
