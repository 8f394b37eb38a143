// How right rows are by what was judged: the timeline's corrections, each on one frame.
import type { Schemas } from '../api/client'
import { LEAST_IOU, iou } from '../timeline/compare'
import type { Row } from '../timeline/shapes'
import type { Frame } from '../timeline/state.svelte'

type Correction = Schemas['CorrectionAnswer']

export interface Judged {
  seq: number
  correction: Correction
}

export interface Score {
  /** Marks that are there and were found, that are there and were not, and what was found and is not there. */
  right: number
  missed: number
  wrong: number
}

const MOST_FRAMES = 100

/** The kept frame on which each correction is looked at: its own, else the one in the middle of its span. */
export function judgedOn(corrections: Correction[], frames: Frame[]): Judged[] {
  const kept = frames.filter((frame) => frame.kept !== false)
  const bySeq = new Map(frames.map((frame) => [frame.seq, frame]))
  const found: Judged[] = []
  for (const correction of corrections) {
    const own = correction.seq === null ? undefined : bySeq.get(correction.seq)
    const middle = (correction.start_ms + correction.end_ms) / 2
    const frame = own ?? kept.findLast(({ timeline_ms }) => timeline_ms <= middle)
    if (frame) found.push({ seq: frame.kept_seq ?? frame.seq, correction })
  }
  const frameNumbers = [...new Set(found.map(({ seq }) => seq))].slice(0, MOST_FRAMES)
  return found.filter(({ seq }) => frameNumbers.includes(seq))
}

/** `rows`: a stage's rows on the frames that were judged. */
export function scored(judged: Judged[], rows: Row[]): Score {
  const score = { right: 0, missed: 0, wrong: 0 }
  for (const { seq, correction } of judged) {
    const there = (brand: string) => rows.some((row) => row.seq === seq && row.brand === brand && isAt(row, correction.box))
    const should = correction.action === 'add' ? correction.brand : correction.action === 'relabel' ? correction.to : null
    if (should !== null) score[there(should) ? 'right' : 'missed']++
    if (correction.action !== 'add' && there(correction.brand)) score.wrong++
  }
  return score
}

function isAt(row: Row, box: Correction['box']): boolean {
  if (!box) return true
  const [x, y, w, h] = [row.x, row.y, row.w, row.h].map(Number) as [number, number, number, number]
  return iou([x, y, x + w, y + h], [box.x, box.y, box.x + box.w, box.y + box.h]) >= LEAST_IOU
}

/** Shares, 0 to 1; null where there is nothing to divide by. */
export function rates({ right, missed, wrong }: Score): { recall: number | null; precision: number | null } {
  return {
    recall: right + missed ? right / (right + missed) : null,
    precision: right + wrong ? right / (right + wrong) : null,
  }
}
