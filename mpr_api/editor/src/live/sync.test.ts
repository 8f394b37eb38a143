import { describe, expect, it } from 'vitest'
import { awaitedMs, boxesAt, delayMs, mostDelayMs, objectsAt, pictureAt, quantile, rateFor, shownAt, type LiveBox, type LiveResult, type LiveWindow } from './sync'

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

const windowsOf = (count: number) => Array.from({ length: count }, (_, at) => windowOf(at, 0, at * 4000, at * 4000))

it.each<[string, number, number[], number | null]>([
  ['no window', 0, [], null],
  ['none has a result', 3, [], 0],
  ['one between has none', 3, [0, 2], 4000],
  ['the newest has none', 3, [0, 1], 8000],
  ['all have theirs', 3, [0, 1, 2], null],
])('awaited: %s', (_, count, results, ms) => expect(awaitedMs(windowsOf(count), new Map(results.map((each) => [each, resultOf([])])))).toBe(ms))

it.each<[string, LiveWindow[], number]>([
  ['nothing known', [], Infinity],
  ['as if more like the first came', windowsOf(1), 32_000],
  ['eight of ten that are listed', windowsOf(20), 32_000],
  ['by the latest, which are longer', [...windowsOf(8), ...windowsOf(8).map((each) => ({ ...each, end_ms: each.start_ms + 6000 }))], 48_000],
])('at most behind: %s', (_, windows, ms) => expect(mostDelayMs(windows)).toBe(ms))

it.each<[string, LiveWindow[], number[], number, number]>([
  ['nothing known', [], [], 0, 1000],
  ['results come before the playlist is read', windowsOf(1), [500], 0, 7000],
  ['results come late', windowsOf(1), [2000, 6000], 0, 11_000],
  ['a result is due, but not late', windowsOf(1), [500], 5000, 7000],
  ['a result is later than any before', windowsOf(3), [500], 12_300, 12_300],
  ['the first result is not there yet', windowsOf(3), [], 12_300, 12_300],
  ['a result is later than one can wait', windowsOf(3), [500], 90_000, 32_000],
  ['results came later than one can wait', windowsOf(3), [90_000], 0, 32_000],
])('delay: %s', (_, windows, lags, ageMs, ms) => expect(delayMs(windows, lags, ageMs)).toBe(ms))

it.each([
  [10_000, 10_000, Infinity, 1],
  [10_200, 10_000, Infinity, 1],
  [11_000, 10_000, Infinity, 1.05],
  [14_000, 10_000, Infinity, 1.08],
  [8000, 10_000, Infinity, 0.92],
  [30_000, 10_000, Infinity, null],
  [10_000, 10_000, 2000, 1],
  [10_000, 10_000, 40, 0],
  [30_000, 10_000, -5000, 0],
])('%d ms behind, meant %d, %d ms with results: rate %d', (delay, target, headMs, rate) => expect(rateFor(delay, target, headMs)).toBe(rate))

describe('a player that follows a stream in windows of 4 s', () => {
  /** What it shows from the first window's end on, where each window's result is there `resultMs(number)` after the session's begin. */
  function followed(resultMs: (number: number) => number, untilMs: number) {
    const stepMs = 40
    let headMs = 0
    const shown = { pictures: 0, early: 0, heldMs: 0, mostMs: 0, lastMs: 0 }
    for (let nowMs = 5000; nowMs < untilMs; nowMs += stepMs) {
      const windows = windowsOf(Math.floor((nowMs - 1000) / 4000))
      const known = windows.filter((each) => resultMs(each.number) <= nowMs)
      const awaited = awaitedMs(windows, new Map(known.map((each) => [each.number, each])))
      const ageMs = awaited === null ? 0 : nowMs - awaited
      const target = delayMs(windows, known.slice(-20).map((each) => resultMs(each.number) - each.end_ms), ageMs)
      const hold = ageMs <= mostDelayMs(windows) ? awaited : null
      const rate = rateFor(nowMs - headMs, target, hold === null ? Infinity : hold - headMs)
      headMs = rate === null ? nowMs - target : headMs + rate * stepMs
      shown.lastMs = nowMs - headMs
      shown.mostMs = Math.max(shown.mostMs, shown.lastMs)
      if (rate === 0) shown.heldMs += stepMs
      else {
        shown.pictures += 1
        if (resultMs(Math.floor(headMs / 4000)) > nowMs) shown.early += 1
      }
    }
    return shown
  }
  const after = (lagMs: number) => (number: number) => (number + 1) * 4000 + lagMs

  it('is only as far behind as it must be where results come soon', () => {
    const shown = followed(after(1500), 120_000)
    expect(shown.early).toBe(0)
    expect(shown.lastMs).toBeLessThan(7300)
  })
  it('waits for the first results, and comes down again', () => {
    const shown = followed((number) => Math.max(25_000, after(1500)(number)), 240_000)
    expect([shown.early, shown.heldMs > 15_000, shown.mostMs < 26_000, shown.lastMs < 7300]).toEqual([0, true, true, true])
  })
  it('goes on without results where the analysis is away for long, and waits for them again', () => {
    const shown = followed((number) => (number < 10 || number > 24 ? after(1500)(number) : Math.max(120_000, after(1500)(number))), 400_000)
    expect([shown.early > 0, shown.mostMs <= 33_000, shown.lastMs < 7300]).toEqual([true, true, true])
  })
  it('does not run away where the analysis is slower than the stream', () => {
    const shown = followed((number) => (number + 1) * 8000, 600_000)
    expect([shown.mostMs <= 33_000, shown.lastMs > 31_000, shown.heldMs < 60_000]).toEqual([true, true, true])
  })
})

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
