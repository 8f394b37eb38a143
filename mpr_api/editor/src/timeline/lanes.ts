// What the lanes under the picture show, in pixels: which brand has which lane, and what lies where. No canvas here.
import { colourCss } from '../shared/picture'
import type { Exposure, Frame, Look, Mention, Moved } from './state.svelte'

export interface Span {
  fromMs: number
  toMs: number
}

/** Brands by the time on screen, the longest first, those that are only said last; each has a lane. */
export function laneNames(exposures: Pick<Exposure, 'brand' | 'start_ms' | 'end_ms'>[], mentions: Pick<Mention, 'brand'>[] = []): string[] {
  const ms = new Map<string, number>(mentions.map(({ brand }) => [brand, 0]))
  for (const each of exposures) ms.set(each.brand, (ms.get(each.brand) ?? 0) + each.end_ms - each.start_ms)
  return [...ms].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([brand]) => brand)
}

export function xOf(ms: number, view: Span, widthPx: number): number {
  return ((ms - view.fromMs) / (view.toMs - view.fromMs)) * widthPx
}

export function msOf(x: number, view: Span, widthPx: number): number {
  return view.fromMs + (x / widthPx) * (view.toMs - view.fromMs)
}

/** The view zoomed about a time by a factor, within the timeline; never less than `leastMs`. */
export function zoomed(view: Span, aboutMs: number, factor: number, wholeMs: number, leastMs = 200): Span {
  const length = Math.min(wholeMs, Math.max(leastMs, (view.toMs - view.fromMs) * factor))
  const share = (aboutMs - view.fromMs) / (view.toMs - view.fromMs)
  return moved({ fromMs: aboutMs - share * length, toMs: aboutMs + (1 - share) * length }, 0, wholeMs)
}

/** The view moved by some time, kept within the timeline. */
export function moved(view: Span, byMs: number, wholeMs: number): Span {
  const length = view.toMs - view.fromMs
  const fromMs = Math.min(Math.max(0, view.fromMs + byMs), Math.max(0, wholeMs - length))
  return { fromMs, toMs: fromMs + length }
}

/** Spans as they are drawn, those within one pixel as one: thousands of exposures cost no more than the width has pixels. */
export function drawn(spans: Span[], view: Span, widthPx: number): [number, number][] {
  const found: [number, number][] = []
  for (const span of spans) {
    if (span.toMs <= view.fromMs || span.fromMs >= view.toMs) continue
    const from = Math.max(0, xOf(span.fromMs, view, widthPx))
    const to = Math.min(widthPx, Math.max(from + 1, xOf(span.toMs, view, widthPx)))
    const last = found.at(-1)
    if (last && from <= last[1] + 0.5) last[1] = Math.max(last[1], to)
    else found.push([from, to])
  }
  return found
}

/** Shots as spans, in order. A frame lasts until the next one. */
export function shotSpans(frames: Pick<Frame, 'shot' | 'timeline_ms'>[], wholeMs: number): Span[] {
  const spans: Span[] = []
  let from = 0
  frames.forEach((frame, at) => {
    const next = frames[at + 1]
    if (next && next.shot === frame.shot) return
    spans.push({ fromMs: frames[from]!.timeline_ms, toMs: next?.timeline_ms ?? wholeMs })
    from = at + 1
  })
  return spans
}

/** A filled part of a lane: its left and right, and its top and height as shares of the lane's height. */
export interface Part {
  from: number
  to: number
  top: number
  height: number
  colour: string
}

/** Frames as they are drawn, one for a pixel: thousands cost no more than the width has pixels. */
function stays(frames: FrameTime[], view: Span, wholeMs: number, widthPx: number): { frame: FrameTime; from: number; to: number }[] {
  const found: { frame: FrameTime; from: number; to: number }[] = []
  frames.forEach((frame, at) => {
    const toMs = frames[at + 1]?.timeline_ms ?? wholeMs
    if (toMs <= view.fromMs || frame.timeline_ms >= view.toMs) return
    const from = Math.max(0, Math.floor(xOf(frame.timeline_ms, view, widthPx)))
    const to = Math.min(widthPx, Math.floor(xOf(toMs, view, widthPx)))
    if (to > from) found.push({ frame, from, to })
  })
  return found
}
type FrameTime = Pick<Frame, 'seq' | 'kept_seq' | 'timeline_ms'>

/** The dominant colours of frames, one above the other as high as their shares, the largest below. */
export function colourParts(frames: FrameTime[], looks: ReadonlyMap<number, Look>, view: Span, wholeMs: number, widthPx: number): Part[] {
  return stays(frames, view, wholeMs, widthPx).flatMap(({ frame, from, to }) => {
    const look = looks.get(frame.kept_seq ?? frame.seq)
    let below = 1
    return (look?.colours ?? []).map((colour, at) => {
      const height = look!.shares[at] ?? 0
      below -= height
      return { from, to, top: Math.max(0, below), height, colour: colourCss(colour) }
    })
  })
}

/** How much of frames moves, as bars from below. */
export function movingParts(frames: FrameTime[], moves: ReadonlyMap<number, Moved>, colour: string, view: Span, wholeMs: number, widthPx: number): Part[] {
  return stays(frames, view, wholeMs, widthPx).flatMap(({ frame, from, to }) => {
    const height = moves.get(frame.kept_seq ?? frame.seq)?.moving_share
    return height ? [{ from, to, top: 1 - height, height, colour }] : []
  })
}

/** Pixels at which there is something, each once. `times`: ascending. */
export function marks(times: number[], view: Span, widthPx: number): number[] {
  const found: number[] = []
  let at = firstFrom(times, view.fromMs)
  while (at < times.length && times[at]! <= view.toMs) {
    const x = Math.floor(xOf(times[at]!, view, widthPx))
    found.push(x)
    // On to the first one of a later pixel: as many steps as the width has pixels, however many times there are.
    at = firstFrom(times, msOf(x + 1, view, widthPx), at + 1)
  }
  return found
}

/** Place of the first time that is not before `ms`. */
function firstFrom(times: number[], ms: number, from = 0): number {
  let [low, high] = [from, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! < ms) low = middle + 1
    else high = middle
  }
  return low
}

/** Lanes that are in view, from `first` to before `end`. */
export function lanesInView(scrolledPx: number, heightPx: number, lanePx: number, count: number): { first: number; end: number } {
  const first = Math.min(count, Math.max(0, Math.floor(scrolledPx / lanePx)))
  return { first, end: Math.min(count, Math.ceil((scrolledPx + heightPx) / lanePx)) }
}
