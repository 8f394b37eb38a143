import { describe, expect, it } from 'vitest'
import { boxesAt, delayMs, objectsAt, pictureAt, quantile, rateFor, shownAt, type LiveBox, type LiveResult, type LiveWindow } from './sync'

function windowOf(number: number, epoch: number, startPts: number, startMs: number): LiveWindow {
  return {
    session: 'derby',
    number,
    timeline_id: `derby-00000${number}`,
    epoch: { number: epoch, start_pts: epoch ? 500 : 0, start_ms: epoch ? 8000 : 0, time_base: [1, 1000] },
    start_pts: startPts,
    end_pts: startPts + 4000,
    start_ms: startMs,
    end_ms: startMs + 4000,
    closed_at_ms: 0,
    codec: 'h264',
    width_px: 640,
    height_px: 360,
  }
}

function box(brand: string, x: number, track: number | null): LiveBox {
  return { brand, confidence: 0.9, source: 'ocr', x, y: 10, w: 40, h: 20, track }
}

function resultOf(frames: [number, LiveBox[]][], status = 'analysed'): LiveResult {
  const told = frames.map(([pts, detections]) => ({ pts, session_ms: pts, detections, objects: [{ label: `seen at ${pts}`, confidence: 1, x: 0, y: 0, w: 1, h: 1 }] }))
  return { session: 'derby', number: 0, timeline_id: 'derby-000000', epoch: 0, status, reason: '', thinned: false, run_id: '', lag_ms: 0, done_at_ms: 0, frames: told }
}

describe('shownAt', () => {
  const windows = new Map([windowOf(0, 0, 0, 0), windowOf(1, 0, 4000, 4000), windowOf(2, 1, 500, 8000)].map((each) => [each.number, each]))
  const placed = [
    { number: 0, offsetS: -10 },
    { number: 1, offsetS: -10 },
    { number: 2, offsetS: -17.5 },
  ]
  it('nothing is shown of a stream without windows', () => expect(shownAt(1, placed, new Map())).toBeNull())
  it('nothing before anything was placed', () => expect(shownAt(1, [], windows)).toBeNull())
  it.each([
    [10, 0, 0, 0],
    [13.96, 0, 3960, 3960],
    [14, 1, 4000, 4000],
    [17.9999996, 2, 500, 8000],
    [21.5, 2, 4000, 11_500],
  ])('at %d s window %d, pts %d', (mediaS, number, pts, sessionMs) => {
    const shown = shownAt(mediaS, placed, windows)
    expect([shown?.window.number, shown?.pts, shown?.sessionMs]).toEqual([number, pts, sessionMs])
  })
  it.each([9.9, 22.1])('no window at %d s', (mediaS) => expect(shownAt(mediaS, placed, windows)).toBeNull())
})

describe('boxesAt', () => {
  it('no result is not an empty one', () => expect(boxesAt(undefined, 0)).toBeNull())
  it('a window that was skipped is not an empty one', () => expect(boxesAt(resultOf([], 'skipped'), 0)).toBeNull())
  it('nothing was found', () => expect(boxesAt(resultOf([[0, []]]), 0)).toEqual([]))
  it('no picture was looked at', () => expect(boxesAt(resultOf([]), 0)).toEqual([]))

  const found = resultOf([
    [100, [box('Acme', 0, 7), box('Nowhere', 50, null)]],
    [600, [box('Acme', 100, 7)]],
    [1100, []],
  ])
  it.each([
    [0, [0, 50]],
    [100, [0, 50]],
    [350, [50, 50]],
    [599, [99.8, 50]],
    [600, [100]],
    [1000, [100]],
    [1100, []],
    [9999, []],
  ])('at pts %d boxes at %j', (pts, xs) => expect(boxesAt(found, pts)?.map((each) => each.x)).toEqual(xs))
})

it.each([
  [[], 0.95, 0],
  [[3], 0.5, 3],
  [[5, 1, 4, 2, 3], 0.5, 3],
  [[1, 2, 3, 4, 100], 0.95, 100],
])('quantile of %j', (values, share, is) => expect(quantile(values, share)).toBe(is))

it.each<[string, LiveWindow[], number[], number]>([
  ['nothing known', [], [], 1000],
  ['results come before the playlist is read', [windowOf(0, 0, 0, 0)], [500], 7000],
  ['results come late', [windowOf(0, 0, 0, 0)], [2000, 6000], 11_000],
])('delay: %s', (_, windows, lags, ms) => expect(delayMs(windows, lags)).toBe(ms))

it.each([
  [10_000, 10_000, 1],
  [10_200, 10_000, 1],
  [11_000, 10_000, 1.05],
  [14_000, 10_000, 1.08],
  [8000, 10_000, 0.92],
  [30_000, 10_000, null],
])('%d ms behind, meant %d: rate %d', (delay, target, rate) => expect(rateFor(delay, target)).toBe(rate))

describe('pictureAt', () => {
  const look = { colours: [[255, 0, 0]], shares: [1], brightness: 0.3, contrast: 0, saturation: 1 } as NonNullable<LiveResult['frames'][number]['look']>
  const motion = { moving_share: 0.2, active: true, right_px: 3, down_px: 0 }
  const measured = resultOf([
    [100, []],
    [600, []],
  ])
  measured.frames[0]!.look = look
  measured.frames[1]!.motion = motion
  it.each([
    ['no result', undefined, 100, null],
    ['no picture was looked at', resultOf([]), 100, null],
    ['nothing was measured', resultOf([[100, []]]), 100, null],
    ['before the first picture', measured, 0, { look, motion: null }],
    ['until the next one', measured, 599, { look, motion: null }],
    ['from the next one on', measured, 9000, { look: null, motion }],
  ])('%s', (_, result, pts, expected) => expect(pictureAt(result, pts)).toEqual(expected))
})

describe('objectsAt', () => {
  it('none of what was not analysed', () => expect([objectsAt(undefined, 0), objectsAt(resultOf([[0, []]], 'failed'), 0)]).toEqual([[], []]))
  it('none where no picture was looked at', () => expect(objectsAt(resultOf([]), 0)).toEqual([]))
  it.each([
    [0, 100],
    [100, 100],
    [599, 100],
    [600, 600],
  ])('at %d those of the picture of %d', (pts, of) => {
    expect(objectsAt(resultOf([[100, []], [600, []]]), pts).map((each) => each.label)).toEqual([`seen at ${of}`])
  })
})
