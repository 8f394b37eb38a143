// Which picture is on screen, and what was found in it: by the epoch's clock, never by the wall clock. No player here.
import type { Schemas } from '../api/client'

export type LiveWindow = Schemas['LiveWindow']
export type LiveResult = Schemas['LiveResult']
export type LiveBox = Schemas['LiveDetection']
export interface LivePicture {
  look: Schemas['LiveLook'] | null
  motion: Schemas['LiveMotion'] | null
}
export type LiveThing = Schemas['LiveThing']

/** How the player laid a window into its own time: what it shows at `t` is `t + offsetS` on the epoch's clock. */
export interface Placed {
  number: number
  offsetS: number
}

/** A picture: its window, its pts in units of its epoch, and its time of the session. */
export interface Shown {
  window: LiveWindow
  pts: number
  sessionMs: number
}

/** The picture that a player shows at its time `mediaS`; null where no window is known that has it. */
export function shownAt(mediaS: number, placed: Iterable<Placed>, windows: ReadonlyMap<number, LiveWindow>): Shown | null {
  for (const { number, offsetS } of placed) {
    const window = windows.get(number)
    if (!window) continue
    const { time_base, start_pts, start_ms } = window.epoch
    const [numerator, denominator] = time_base as [number, number]
    const pts = Math.round(((mediaS + offsetS) * denominator) / numerator)
    if (pts < window.start_pts || pts >= window.end_pts) continue
    return { window, pts, sessionMs: start_ms + ((pts - start_pts) * numerator * 1000) / denominator }
  }
  return null
}

/**
 * What was found in the picture of this pts. Between two pictures that were looked at a mark is where it was on its way
 * from one to the other. Null: the window was not analysed, which is not the same as nothing found.
 */
export function boxesAt(result: LiveResult | undefined, pts: number): LiveBox[] | null {
  if (!result || result.status !== 'analysed') return null
  const at = result.frames.findLastIndex((frame) => frame.pts <= pts)
  const frame = result.frames[Math.max(0, at)]
  if (!frame) return []
  const next = result.frames[at + 1]
  if (!next || at < 0) return frame.detections
  const share = (pts - frame.pts) / (next.pts - frame.pts)
  return frame.detections.map((box) => {
    const then = box.track === null ? undefined : next.detections.find((each) => each.track === box.track && each.brand === box.brand)
    if (!then) return box
    const between = (side: 'x' | 'y' | 'w' | 'h') => box[side] + (then[side] - box[side]) * share
    return { ...box, x: between('x'), y: between('y'), w: between('w'), h: between('h') }
  })
}

/** What was measured of the picture of this pts, or of the last one before it that was looked at; null: nothing was. */
export function pictureAt(result: LiveResult | undefined, pts: number): LivePicture | null {
  const frame = result?.frames[Math.max(0, result.frames.findLastIndex((each) => each.pts <= pts))]
  return frame?.look || frame?.motion ? { look: frame.look ?? null, motion: frame.motion ?? null } : null
}

/** Objects in the picture of this pts: those of the last picture that was looked at. */
export function objectsAt(result: LiveResult | undefined, pts: number): LiveThing[] {
  if (!result || result.status !== 'analysed') return []
  return result.frames[Math.max(0, result.frames.findLastIndex((frame) => frame.pts <= pts))]?.objects ?? []
}

/** The value below which the share of them is; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

const LOADING_MS = 1000
/** Of the ten windows that the playlist lists the oldest two may leave it while they are loaded. */
const MOST_WINDOWS = 8
/** Some pictures early: one that is on screen when the player is told to wait has been followed by others. */
const HOLD_MS = 100

/** Where the oldest window begins that has no result yet, in time of the session; null: all have theirs. */
export function awaitedMs(windows: Iterable<LiveWindow>, results: ReadonlyMap<number, unknown>): number | null {
  let oldest: number | null = null
  for (const { number, start_ms } of windows) if (!results.has(number) && (oldest === null || start_ms < oldest)) oldest = start_ms
  return oldest
}

/** The most that a player may be behind: so far back the playlist surely reaches, by the length of the latest windows. */
export function mostDelayMs(windows: readonly LiveWindow[]): number {
  const lately = windows.slice(-MOST_WINDOWS)
  const lengthMs = lately.reduce((sum, each) => sum + each.end_ms - each.start_ms, 0)
  return lately.length ? (lengthMs / lately.length) * MOST_WINDOWS : Infinity
}

/**
 * How far behind the stream a player must be for results to be there before their picture: a window is closed when its
 * last picture has come, is listed at the next look at the playlist, and analysed after its lag. `ageMs`: how long ago
 * the stream was where `awaitedMs` says; nothing later can be shown with its result, however soon results came before.
 */
export function delayMs(windows: readonly LiveWindow[], lagsMs: readonly number[], ageMs: number): number {
  const longest = Math.max(0, ...windows.map((each) => each.end_ms - each.start_ms))
  const learned = longest + Math.max(longest / 2, quantile(lagsMs, 0.95)) + LOADING_MS
  return Math.min(mostDelayMs(windows), Math.max(learned, ageMs))
}

/**
 * How fast to play for the delay to become what it is meant to be. `headMs`: how far ahead the first picture is that has
 * no result; where it is due, the player waits: 0. Null: the delay is so far off that one must seek.
 */
export function rateFor(delay: number, target: number, headMs = Infinity): number | null {
  if (headMs <= HOLD_MS) return 0
  const off = delay - target
  if (Math.abs(off) > 8000) return null
  if (Math.abs(off) < 250) return 1
  return Math.min(1.08, Math.max(0.92, 1 + off / 20_000))
}
