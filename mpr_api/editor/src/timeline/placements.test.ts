import { describe, expect, it } from 'vitest'
import { choices, isOn } from './placements'

const SHIRT = { placement: 'shirt', placement_object: 'person' }
const BOARD = { placement: 'board', placement_object: '' }

describe('what exposures are on', () => {
  it.each([
    ['nothing', [], []],
    ['one without an object', [BOARD], [['board', 'board']]],
    ['each once, objects last', [SHIRT, BOARD, SHIRT], [['board', 'board'], ['shirt', 'shirt'], ['object:person', 'an object: person']]],
  ])('%s', (_, exposures, expected) => expect(choices(exposures)).toEqual(expected))

  it.each([
    ['shirt', true, false],
    ['board', false, true],
    ['object:person', true, false],
    ['object:', false, true],
    ['person', false, false],
  ])('chosen by %s', (choice, shirt, board) => expect([isOn(SHIRT, choice), isOn(BOARD, choice)]).toEqual([shirt, board]))
})
