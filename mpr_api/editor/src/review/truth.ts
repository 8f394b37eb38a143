// How right rows are by the timeline's truth: on each frame, the brands that are there and those that were found.
import type { Schemas } from '../api/client'
import type { Row } from '../timeline/shapes'
import type { Frame } from '../timeline/state.svelte'
import type { Score } from './score'

export type Truth = Schemas['TruthAnswer']

/** Kept frames, evenly over the timeline, so many at most. */
export function sample(frames: Frame[], most: number): Frame[] {
  const kept = frames.filter((frame) => frame.kept !== false)
  if (kept.length <= most) return kept
  return Array.from({ length: most }, (_, i) => kept[Math.round((i * (kept.length - 1)) / (most - 1))]!)
}

/** A brand on a frame counts once, wherever it was found. `rows`: a stage's rows on these frames. */
export function againstTruth({ stays }: Truth, frames: Frame[], rows: Row[]): Score {
  const found = new Map<number, Set<string>>(frames.map((frame) => [frame.seq, new Set()]))
  for (const row of rows) if (typeof row.brand === 'string') found.get(Number(row.seq))?.add(row.brand)
  const score = { right: 0, missed: 0, wrong: 0 }
  for (const { seq, timeline_ms } of frames) {
    const there = stays.filter((stay) => stay.start_ms <= timeline_ms && timeline_ms < stay.end_ms)
    const must = new Set(there.filter((stay) => !stay.optional).map(({ brand }) => brand))
    const may = new Set(there.map(({ brand }) => brand))
    const seen = found.get(seq)!
    for (const brand of must) score[seen.has(brand) ? 'right' : 'missed']++
    for (const brand of seen) if (!may.has(brand)) score.wrong++
  }
  return score
}
