import { expect, it } from 'vitest'
import { actionOf } from './keys'

const NONE = { code: '', shiftKey: false, ctrlKey: false, metaKey: false, altKey: false }

it.each([
  ['x', {}, null],
  [' ', { code: 'Space' }, 'play'],
  ['J', { shiftKey: true }, 'back'],
  ['ArrowLeft', {}, 'frameBack'],
  ['ArrowLeft', { shiftKey: true }, 'tenBack'],
  ['?', { shiftKey: true }, 'help'],
  ['7', {}, { part: 0.7 }],
  ['l', { ctrlKey: true }, null],
])('%s %j', (key, held, action) => expect(actionOf({ ...NONE, key, ...held })).toEqual(action))
