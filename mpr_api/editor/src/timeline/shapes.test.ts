import { describe, expect, it } from 'vitest'
import { holds, shapeOf, shapesOf, type Row } from './shapes'

const BOX = [[1, 2], [4, 2], [4, 6], [1, 6]]
const CASES: [string, Row, number[][] | null][] = [
  ['no place', { brand: 'Acme' }, null],
  ['a box', { x: 1, y: 2, w: 3, h: 4 }, BOX],
  ['a flat quad before the box', { x: 0, y: 0, w: 9, h: 9, quad: [1, 2, 4, 2, 4, 6, 1, 6] }, BOX],
  ['a polygon of points', { polygon: [[1, 2], [4, 2], [4, 6], [1, 6]] }, BOX],
  ['an empty polygon', { polygon: [], x: 1, y: 2, w: 3, h: 4 }, BOX],
]

describe('shapeOf', () => {
  it.each(CASES)('%s', (_, row, points) => expect(shapeOf(row)?.points ?? null).toEqual(points))

  it('names the brand before the text, and has no confidence where none is given', () => {
    expect(shapeOf({ x: 0, y: 0, w: 1, h: 1, brand: 'Acme', text: 'acme gmbh' })).toMatchObject({ name: 'Acme', confidence: null })
    expect(shapeOf({ x: 0, y: 0, w: 1, h: 1, brand: null, text: 'acme', confidence: 0.5 })).toMatchObject({ name: 'acme', brand: null, confidence: 0.5 })
  })

  it.each([
    ['yolo', true],
    ['onnx', true],
    ['logo_match', false],
    [undefined, false],
  ])('what %s found is an object: %s', (engine, object) => expect(shapeOf({ x: 0, y: 0, w: 1, h: 1, engine })).toMatchObject({ object }))

  it('leaves out rows without a place', () => expect(shapesOf([{}, { x: 0, y: 0, w: 1, h: 1 }])).toHaveLength(1))
})

it.each([
  [2, 3, true],
  [0, 3, false],
  [5, 3, false],
])('a point %d, %d in the box: %s', (x, y, inside) => expect(holds(shapeOf({ x: 1, y: 2, w: 3, h: 4 })!, x, y)).toBe(inside))
