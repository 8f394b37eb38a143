// Places that look like a mark, as rows that a correction can be given of.
import type { Schemas } from '../api/client'
import { iou, LEAST_IOU } from '../timeline/compare'
import type { Row } from '../timeline/shapes'

type Place = Schemas['LookAlike']

export interface Alike {
  place: Place
  /** What the stage found there; a row without a brand where it found nothing. */
  row: Row
  chosen: boolean
}

/** The places but those of the mark itself: `own` rows, along its track. All are chosen that the stage has as this brand. */
export function alikesOf(places: Place[], selected: Row, own: Row[], bySeq: Map<number, Row[]>): Alike[] {
  return places
    .filter((place) => ![selected, ...own].some((row) => row.seq === place.seq && isAt(row, place)))
    .map((place) => {
      const { seq, x, y, w, h } = place
      const row = bySeq.get(seq)?.find((other) => isAt(other, place)) ?? { seq, x, y, w, h, brand: null }
      return { place, row, chosen: row.brand != null && row.brand === selected.brand }
    })
}

function isAt(row: Row, { x, y, w, h }: Place): boolean {
  const [left, top, width, height] = [row.x, row.y, row.w, row.h].map(Number) as [number, number, number, number]
  return iou([left, top, left + width, top + height], [x, y, x + w, y + h]) >= LEAST_IOU
}
