// What is walked through in a review: detections, candidates, near misses, one after another in the order of time.
import type { Row } from '../timeline/shapes'

/** The reason of a candidate that would be a detection with a little more confidence. */
const NEAR = 'low_confidence'

export const KINDS = ['detections', 'candidates', 'near misses', 'all'] as const

export interface Filter {
  kind: (typeof KINDS)[number]
  /** Only those less sure than this, 0 to 1; null: all. */
  below: number | null
  /** Only rows that `changed` holds; null: all. */
  changed: Set<string> | null
}

/** A row's own name: where and what. */
export function nameOf(row: Row): string {
  return [row.seq, row.x, row.y, row.w, row.h, row.brand, row.text].join(' ')
}

/** By frame, then as the table has them. */
export function walked(bySeq: Map<number, Row[]>, filter: Filter): Row[] {
  const all = [...bySeq].sort(([a], [b]) => a - b).flatMap(([, rows]) => rows)
  return all.filter((row) => isOf(row, filter.kind) && isBelow(row, filter.below) && (filter.changed?.has(nameOf(row)) ?? true))
}

function isOf(row: Row, kind: Filter['kind']): boolean {
  if (typeof row.x !== 'number') return false
  if (kind === 'all') return true
  if (kind === 'near misses') return row.brand == null && row.reason === NEAR
  return (kind === 'detections') === (row.brand != null)
}

function isBelow(row: Row, below: number | null): boolean {
  return below === null || (typeof row.confidence === 'number' && row.confidence < below)
}

/** The one after `now`, or before it; where that is not among them, the next one from the frame at the head. */
export function following(items: Row[], now: Row | null, direction: 1 | -1, headSeq: number): Row | null {
  const at = now ? items.indexOf(now) : -1
  if (at >= 0) return items[at + direction] ?? null
  if (direction === 1) return items.find((row) => Number(row.seq) >= headSeq) ?? null
  return items.findLast((row) => Number(row.seq) <= headSeq) ?? null
}
