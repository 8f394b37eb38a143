import { describe, expect, it } from 'vitest'
import { colourParts, drawn, laneNames, lanesInView, marks, moved, movingParts, msOf, shotSpans, xOf, zoomed } from './lanes'
import type { Exposure, Look, Moved } from './state.svelte'

const exposure = (brand: string, start_ms: number, end_ms: number) => ({ brand, start_ms, end_ms }) as Exposure
const VIEW = { fromMs: 1000, toMs: 2000 }

describe('laneNames', () => {
  it('none', () => expect(laneNames([])).toEqual([]))
  it('the longest first, equal ones by name', () =>
    expect(laneNames([exposure('B', 0, 5), exposure('C', 0, 9), exposure('A', 0, 2), exposure('A', 4, 7)])).toEqual(['C', 'A', 'B']))
  it('those that are only said last', () => expect(laneNames([exposure('B', 0, 5)], [{ brand: 'A' }, { brand: 'B' }])).toEqual(['B', 'A']))
})

it('a time has its place, and the place its time', () => {
  expect(xOf(1250, VIEW, 400)).toBe(100)
  expect(msOf(100, VIEW, 400)).toBe(1250)
})

describe('zoomed and moved', () => {
  it.each([
    ['in about the middle', zoomed(VIEW, 1500, 0.5, 10_000), { fromMs: 1250, toMs: 1750 }],
    ['in about the left end', zoomed(VIEW, 1000, 0.5, 10_000), { fromMs: 1000, toMs: 1500 }],
    ['never less than the least', zoomed(VIEW, 1500, 0.001, 10_000), { fromMs: 1400, toMs: 1600 }],
    ['never more than the whole', zoomed(VIEW, 1500, 99, 3000), { fromMs: 0, toMs: 3000 }],
    ['not before the start', moved(VIEW, -5000, 10_000), { fromMs: 0, toMs: 1000 }],
    ['not past the end', moved(VIEW, 99_000, 10_000), { fromMs: 9000, toMs: 10_000 }],
  ])('%s', (_, view, expected) => expect(view).toEqual(expected))
})

describe('drawn', () => {
  it.each([
    ['nothing', [], []],
    ['outside', [[0, 1000], [2000, 3000]], []],
    ['cut off at the ends', [[0, 1500]], [[0, 50]]],
    ['a pixel at least', [[1500, 1501]], [[50, 51]]],
    ['close ones as one', [[1100, 1200], [1203, 1300]], [[10, 30]]],
    ['apart', [[1100, 1200], [1300, 1400]], [[10, 20], [30, 40]]],
  ] as const)('%s', (_, spans, expected) => {
    const given = spans.map(([fromMs, toMs]) => ({ fromMs, toMs }))
    expect(drawn(given, VIEW, 100)).toEqual(expected)
  })
})

describe('shotSpans', () => {
  const frame = (shot: number | null, timeline_ms: number) => ({ shot, timeline_ms })
  it.each([
    ['no frame', [], []],
    ['one shot', [frame(0, 0), frame(0, 40)], [[0, 100]]],
    ['two', [frame(0, 0), frame(1, 40), frame(1, 80)], [[0, 40], [40, 100]]],
    ['not filtered yet', [frame(null, 0), frame(null, 40)], [[0, 100]]],
  ] as const)('%s', (_, frames, spans) => expect(shotSpans([...frames], 100).map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual(spans))
})

describe('marks', () => {
  it.each([
    ['none', [], []],
    ['outside', [999, 2001], []],
    ['one a pixel', [1000, 1001, 1009, 1010, 1500, 2000], [0, 1, 50, 100]],
  ] as const)('%s', (_, times, pixels) => expect(marks([...times], VIEW, 100)).toEqual(pixels))
})

it.each([
  ['none', 0, 100, 0, [0, 0]],
  ['all', 0, 100, 3, [0, 3]],
  ['parts of lanes', 30, 50, 9, [1, 4]],
  ['scrolled past', 500, 50, 9, [9, 9]],
] as const)('lanesInView %s', (_, scrolled, height, count, [first, end]) => expect(lanesInView(scrolled, height, 20, count)).toEqual({ first, end }))

describe('colourParts and movingParts', () => {
  const frames = [0, 1, 2].map((seq) => ({ seq, kept_seq: seq === 1 ? 0 : seq, timeline_ms: 1000 + 400 * seq }))
  const looks = new Map([[0, { seq: 0, colours: [[255, 0, 0], [0, 0, 16]], shares: [0.75, 0.25], brightness: 0, contrast: 0, saturation: 0 } satisfies Look]])
  const moves = new Map([0, 2].map((seq) => [seq, { seq, moving_share: seq ? 0.25 : null, right_px: null, down_px: null } satisfies Moved]))
  it('nothing was measured', () => expect(colourParts(frames, new Map(), VIEW, 2000, 100)).toEqual([]))
  it('the largest below, and near-duplicates as the frame that stands for them', () =>
    expect(colourParts(frames, looks, VIEW, 2000, 100)).toEqual([
      { from: 0, to: 40, top: 0.25, height: 0.75, colour: '#ff0000' },
      { from: 0, to: 40, top: 0, height: 0.25, colour: '#000010' },
      { from: 40, to: 80, top: 0.25, height: 0.75, colour: '#ff0000' },
      { from: 40, to: 80, top: 0, height: 0.25, colour: '#000010' },
    ]))
  it('no bar where nothing is known', () => expect(movingParts(frames, moves, 'grey', VIEW, 2000, 100)).toEqual([{ from: 80, to: 100, top: 0.75, height: 0.25, colour: 'grey' }]))
  it('no more than the width has pixels', () => expect(movingParts(frames, moves, 'grey', VIEW, 2000, 1)).toEqual([{ from: 0, to: 1, top: 0.75, height: 0.25, colour: 'grey' }]))
})
