import { describe, expect, it } from 'vitest'
import { fieldsOf, fromSlider, same, toSlider, type Field } from './fields'

const NO_RANGE = { choices: [], least: null, most: null, nullable: false, description: '' }
const CASES: [string, object, object][] = [
  ['a boolean', { type: 'boolean', default: true }, { kind: 'boolean', default: true }],
  ['a choice', { enum: ['a', 'b'], type: 'string', default: 'a' }, { kind: 'choice', choices: ['a', 'b'] }],
  ['an integer with a range', { type: 'integer', minimum: 0, maximum: 200 }, { kind: 'integer', least: 0, most: 200, step: 1 }],
  ['whole multiples', { type: 'integer', minimum: 32, maximum: 4096, multipleOf: 32 }, { step: 32 }],
  ['a share', { type: 'number', exclusiveMinimum: 0, maximum: 1 }, { kind: 'number', least: 0, most: 1, step: 0.01 }],
  ['a number or none', { anyOf: [{ type: 'number', minimum: 1, maximum: 9 }, { type: 'null' }] }, { kind: 'number', nullable: true, step: 0.1 }],
  ['a list', { type: 'array', default: ['x'] }, { kind: 'list', default: ['x'] }],
  ['a reference', { $ref: '#/$defs/Engine' }, { kind: 'choice', choices: ['x', 'y'] }],
  ['an object', { type: 'object' }, { kind: 'other' }],
]

describe('fieldsOf', () => {
  it('an empty schema', () => expect(fieldsOf({})).toEqual([]))
  it.each(CASES)('%s', (_, schema, field) => {
    const [made] = fieldsOf({ properties: { one: schema }, $defs: { Engine: { enum: ['x', 'y'], type: 'string' } } })
    expect(made).toMatchObject({ name: 'one', ...field })
  })
})

describe('sliders', () => {
  const share: Field = { ...NO_RANGE, name: 's', kind: 'number', default: 0, least: 0, most: 1, step: 0.01 }
  const wide: Field = { ...NO_RANGE, name: 'w', kind: 'integer', default: 0, least: 1, most: 10_000, step: 1 }

  it.each([
    [share, 0, 0],
    [share, 0.25, 0.25],
    [share, 1, 1],
    [wide, 1, 0],
    [wide, 10_000, 1],
  ])('%# has its place', (field, value, at) => {
    expect(toSlider(field, value)).toBeCloseTo(at)
    expect(fromSlider(field, at)).toBe(value)
  })

  it('a wide range gives small values room', () => expect(toSlider(wide, 100)).toBeCloseTo(0.5, 1))
  it('every integer of a wide range survives the way there and back', () => {
    for (const value of [1, 2, 50, 777, 9999]) expect(fromSlider(wide, toSlider(wide, value))).toBe(value)
  })
})

it.each([
  [1, 1, true],
  [[1], [1], true],
  [{ a: [1] }, { a: [2] }, false],
])('same %j %j', (a, b, equal) => expect(same(a, b)).toBe(equal))
