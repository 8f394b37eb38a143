// What settings change on a frame: which finds are gained, lost, moved.
import type { Row, Shape } from './shapes'
import { shapesOf } from './shapes'

export interface Comparison {
  gained: Shape[]
  lost: Shape[]
  changed: { before: Shape; after: Shape }[]
  same: number
}

export const LEAST_IOU = 0.3

/** Finds are paired by place, those that overlap most first; a pair with another name or box is changed, and one that is a brand no more. */
export function compare(before: Row[], after: Row[]): Comparison {
  const [old, fresh] = [shapesOf(before), shapesOf(after)]
  const pairs = old
    .flatMap((a, i) => fresh.map((b, j) => ({ i, j, overlap: iou(box(a), box(b)) + (a.name === b.name ? 1e-6 : 0) })))
    .filter((pair) => pair.overlap >= LEAST_IOU)
    .sort((a, b) => b.overlap - a.overlap)
  const [usedOld, usedNew] = [new Set<number>(), new Set<number>()]
  const changed: Comparison['changed'] = []
  let same = 0
  for (const { i, j } of pairs) {
    if (usedOld.has(i) || usedNew.has(j)) continue
    usedOld.add(i)
    usedNew.add(j)
    const [a, b] = [old[i]!, fresh[j]!]
    if (a.name === b.name && a.brand === b.brand && JSON.stringify(a.points) === JSON.stringify(b.points)) same++
    else changed.push({ before: a, after: b })
  }
  return {
    gained: fresh.filter((_, j) => !usedNew.has(j)),
    lost: old.filter((_, i) => !usedOld.has(i)),
    changed,
    same,
  }
}

type Box = [number, number, number, number]

function box(shape: Shape): Box {
  const [xs, ys] = [shape.points.map(([x]) => x), shape.points.map(([, y]) => y)]
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
}

/** Intersection over union of two boxes: left, top, right, bottom. */
export function iou(a: Box, b: Box): number {
  const shared = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]))
  const area = (of: Box) => (of[2] - of[0]) * (of[3] - of[1])
  return shared === 0 ? 0 : shared / (area(a) + area(b) - shared)
}
