import { expect, it } from 'vitest'
import { compare } from './compare'

const at = (x: number, name: string) => ({ x, y: 0, w: 10, h: 10, brand: name })
const names = (shapes: { name: string }[]) => shapes.map((shape) => shape.name)

it.each([
  ['nothing', [], [], { gained: [], lost: [], changed: 0, same: 0 }],
  ['gained', [], [at(0, 'A')], { gained: ['A'], lost: [], changed: 0, same: 0 }],
  ['lost', [at(0, 'A')], [], { gained: [], lost: ['A'], changed: 0, same: 0 }],
  ['the same', [at(0, 'A')], [at(0, 'A')], { gained: [], lost: [], changed: 0, same: 1 }],
  ['moved', [at(0, 'A')], [at(2, 'A')], { gained: [], lost: [], changed: 1, same: 0 }],
  ['another name', [at(0, 'A')], [at(0, 'B')], { gained: [], lost: [], changed: 1, same: 0 }],
  ['too far to be the same', [at(0, 'A')], [at(9, 'A')], { gained: ['A'], lost: ['A'], changed: 0, same: 0 }],
  ['each pairs with its nearest', [at(0, 'A'), at(4, 'B')], [at(4, 'B'), at(0, 'A')], { gained: [], lost: [], changed: 0, same: 2 }],
])('%s', (_, before, after, expected) => {
  const found = compare(before, after)
  expect({ gained: names(found.gained), lost: names(found.lost), changed: found.changed.length, same: found.same }).toEqual(expected)
})
