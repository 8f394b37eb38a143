import { expect, it } from 'vitest'
import { actionOf } from './keys'

const NONE = { code: '', shiftKey: false, ctrlKey: false, metaKey: false, altKey: false }

it.each([
  ['q', {}, null],
  ['x', {}, 'reject'],
  ['A', {}, 'accept'],
  ['z', { ctrlKey: true }, 'undo'],
  ['z', { ctrlKey: true, shiftKey: true }, null],
  ['z', {}, null],
  [' ', { code: 'Space' }, 'play'],
  ['J', { shiftKey: true }, 'back'],
  ['ArrowLeft', {}, 'frameBack'],
  ['ArrowLeft', { shiftKey: true }, 'tenBack'],
  ['?', { shiftKey: true }, 'help'],
  ['7', {}, { part: 0.7 }],
  ['l', { ctrlKey: true }, null],
])('%s %j', (key, held, action) => expect(actionOf({ ...NONE, key, ...held })).toEqual(action))
