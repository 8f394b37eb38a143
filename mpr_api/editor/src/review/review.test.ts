import { describe, expect, it } from 'vitest'
import type { Row } from '../timeline/shapes'
import type { Frame } from '../timeline/state.svelte'
import { alikesOf } from './alike'
import { boxBetween } from './box'
import { judgedOn, rates, scored } from './score'
import { againstTruth, sample } from './truth'
import { following, nameOf, walked, type Filter } from './walk'

const row = (seq: number, brand: string | null, confidence = 0.9, rest = {}): Row => ({ seq, x: 10, y: 10, w: 20, h: 10, brand, confidence, ...rest })
const near = row(1, null, 0.3, { reason: 'low_confidence' })
const other = row(1, null, 0.8, { reason: 'excluded' })
const [first, last] = [row(0, 'Acme', 0.4), row(5, 'Acme')]
const ROWS = new Map([
  [5, [last]],
  [0, [first]],
  [1, [near, other]],
])
const filter = (change: Partial<Filter>): Filter => ({ kind: 'all', below: null, changed: null, ...change })

describe('walked', () => {
  it.each([
    ['nothing', filter({ changed: new Set() }), []],
    ['all by frame', filter({}), [first, near, other, last]],
    ['detections', filter({ kind: 'detections' }), [first, last]],
    ['candidates', filter({ kind: 'candidates' }), [near, other]],
    ['near misses', filter({ kind: 'near misses' }), [near]],
    ['unsure ones', filter({ below: 0.5 }), [first, near]],
    ['changed ones', filter({ changed: new Set([nameOf(last)]) }), [last]],
  ])('%s', (_, by, expected) => expect(walked(ROWS, by)).toEqual(expected))
  it('rows without a place are left out', () => expect(walked(new Map([[0, [{ seq: 0, share: 1 }]]]), filter({}))).toEqual([]))
})

describe('following', () => {
  const items = [first, near, last]
  it.each([
    ['none', [], null, 1, 0, null],
    ['the next', items, first, 1, 0, near],
    ['the one before', items, near, -1, 0, first],
    ['past the end', items, last, 1, 0, null],
    ['from the head', items, null, 1, 1, near],
    ['back from the head', items, null, -1, 4, near],
    ['from the head, the selected one being filtered out', items, other, 1, 2, last],
  ] as const)('%s', (_, all, now, direction, head, expected) => expect(following([...all], now, direction, head)).toBe(expected))
})

describe('scored', () => {
  const box = { x: 10, y: 10, w: 20, h: 10 }
  const said = (action: string, rest = {}) => ({ action, brand: 'Acme', to: '', start_ms: 0, end_ms: 100, seq: 0, box, ...rest }) as never
  const frame = (seq: number, timeline_ms: number, kept = true, kept_seq = seq) => ({ seq, timeline_ms, kept, kept_seq }) as Frame
  const frames = [frame(0, 0), frame(1, 40), frame(2, 80, false, 1)]

  it('on the frame itself, or in the middle of the span', () => {
    const judged = judgedOn([said('add'), said('reject', { seq: null }), said('add', { seq: 2 })], frames)
    expect(judged.map(({ seq }) => seq)).toEqual([0, 1, 1])
  })

  it.each([
    ['nothing judged', [], [row(0, 'Acme')], { right: 0, missed: 0, wrong: 0 }],
    ['right', [said('add')], [row(0, 'Acme')], { right: 1, missed: 0, wrong: 0 }],
    ['missed', [said('add')], [row(0, 'Other'), row(1, 'Acme')], { right: 0, missed: 1, wrong: 0 }],
    ['elsewhere', [said('add', { box: { ...box, x: 200 } })], [row(0, 'Acme')], { right: 0, missed: 1, wrong: 0 }],
    ['wrong', [said('reject')], [row(0, 'Acme')], { right: 0, missed: 0, wrong: 1 }],
    ['wrong wherever', [said('reject', { box: null })], [row(0, 'Acme', 1, { x: 500 })], { right: 0, missed: 0, wrong: 1 }],
    ['under the wrong name', [said('relabel', { to: 'Other' })], [row(0, 'Acme')], { right: 0, missed: 1, wrong: 1 }],
    ['under the right name', [said('relabel', { to: 'Other' })], [row(0, 'Other')], { right: 1, missed: 0, wrong: 0 }],
  ])('%s', (_, corrections, rows, score) => expect(scored(judgedOn(corrections, frames), rows)).toEqual(score))

  it.each([
    [{ right: 0, missed: 0, wrong: 0 }, { recall: null, precision: null }],
    [{ right: 3, missed: 1, wrong: 1 }, { recall: 0.75, precision: 0.75 }],
  ])('rates %j', (score, expected) => expect(rates(score)).toEqual(expected))
})

it.each([
  ['too small', [10, 10], [17, 40], null],
  ['drawn backwards', [40.4, 30], [10, 10.2], { x: 10, y: 10, w: 30, h: 20 }],
  ['beyond the frame', [-5, -5], [900, 20], { x: 0, y: 0, w: 100, h: 20 }],
] as const)('boxBetween %s', (_, from, to, box) => expect(boxBetween([...from], [...to], 100, 50)).toEqual(box))

describe('against a truth', () => {
  const frames = [0, 1, 2, 3].map((seq) => ({ seq, timeline_ms: seq * 500, kept: seq !== 1 }) as Frame)
  const stay = (brand: string, start_ms: number, end_ms: number, optional = false) => ({ brand, start_ms, end_ms, optional })
  const kept = sample(frames, 9)

  it.each([
    ['nothing known, nothing found', [], [], { right: 0, missed: 0, wrong: 0 }],
    ['right, on each of its frames once', [stay('Acme', 0, 1001)], [row(0, 'Acme'), row(0, 'Acme'), row(2, 'Acme')], { right: 2, missed: 0, wrong: 0 }],
    ['missed', [stay('Acme', 0, 1000)], [row(0, null)], { right: 0, missed: 1, wrong: 0 }],
    ['found where it is not', [stay('Acme', 0, 1000)], [row(0, 'Acme'), row(2, 'Acme'), row(2, 'Bolt')], { right: 1, missed: 0, wrong: 2 }],
    ['may be found, need not', [stay('Acme', 0, 9000, true)], [row(3, 'Acme')], { right: 0, missed: 0, wrong: 0 }],
    ['on another frame', [], [row(1, 'Acme')], { right: 0, missed: 0, wrong: 0 }],
  ])('%s', (_, stays, rows, score) => expect(againstTruth({ file: 'a.csv', stays }, kept, rows)).toEqual(score))

  it('some of many kept frames, from the first to the last', () => {
    const many = Array.from({ length: 101 }, (_, seq) => ({ seq, timeline_ms: seq, kept: true }) as Frame)
    expect(sample(many, 3).map(({ seq }) => seq)).toEqual([0, 50, 100])
    expect(sample([], 3)).toEqual([])
  })
})

describe('places that look alike', () => {
  const place = (seq: number, x = 10) => ({ seq, x, y: 10, w: 20, h: 10, timeline_ms: seq * 500, likeness: 0.9, text: '' })
  const [selected, along, other, candidate] = [row(0, 'Acme'), row(1, 'Acme'), row(4, 'Acme'), row(5, null)]
  const rows = new Map([[0, [selected]], [1, [along]], [4, [row(4, 'Bolt', 1, { x: 300 }), other]], [5, [candidate]]])

  it('none', () => expect(alikesOf([], selected, [], rows)).toEqual([]))
  it('but those of the mark itself; those of its brand are chosen', () => {
    const alikes = alikesOf([place(0), place(1), place(4), place(5), place(6)], selected, [selected, along], rows)
    expect(alikes.map(({ row, chosen }) => [row.seq, row.brand, chosen])).toEqual([[4, 'Acme', true], [5, null, false], [6, null, false]])
    expect(alikes[0]!.row).toBe(other)
  })
})
