// gpu_service/routines/horizontal_lines.py in the browser: the same OpenCV calls in the same order. The reasons stand there.
import { Pool, rint, type Mat } from './cv'

const MOST_EDGE_PX = 16_000
const MOST_LINES = 160
const HOUGH_ANGLE = Math.PI / 360
const JOIN_PX = 2
const JOIN_ROUNDS = 2

/** x0 y0 x1 y1 with x0 < x1, pixel indices. */
export type Line = [number, number, number, number]

export interface LineSettings {
  cannyLow: number
  cannyHigh: number
  votes: number
  minLengthPx: number
  maxGapPx: number
  maxSlopeDeg: number
}

/** What does not depend on the settings. */
export interface Gradients {
  /** Of the channel where it is strongest. */
  dx: Mat
  dy: Mat
  /** The largest of the channels, a quarter of it. */
  across: Mat
  down: Mat
}

/** Of a BGR picture. */
export function gradientsOf(pool: Pool, picture: Mat): Gradients {
  const { cv } = pool
  const own = new Pool(cv)
  const [allX, allY] = [own.mat(), own.mat()]
  cv.Sobel(picture, allX, cv.CV_16S!, 1, 0, 3, 1, 0, cv.BORDER_REPLICATE!)
  cv.Sobel(picture, allY, cv.CV_16S!, 0, 1, 3, 1, 0, cv.BORDER_REPLICATE!)
  const [dx, dy] = ofStrongestChannel(pool, allX, allY)
  const [across, down] = [strongest(pool, allX), strongest(pool, allY)]
  own.empty()
  return { dx, dy, across, down }
}

/** The longest near-horizontal lines, longest first, and the edges that they were found in. */
export function nearHorizontalLines(pool: Pool, gradients: Gradients, settings: LineSettings): { edges: Mat; lines: Line[] } {
  const { cv } = pool
  const edges = nearHorizontalEdges(pool, gradients, settings)
  const found = pool.mat()
  const { votes, minLengthPx, maxGapPx } = settings
  cv.HoughLinesP(edges, found, 1, HOUGH_ANGLE, Math.max(2, rint(votes / 2)), Math.max(2, minLengthPx / 2), Math.max(1, maxGapPx))
  const steepest = Math.tan(radians(settings.maxSlopeDeg))
  const lines: Line[] = []
  const ends = found.data32S
  for (let i = 0; i + 3 < ends.length; i += 4) {
    const [ax, ay, bx, by] = [ends[i]!, ends[i + 1]!, ends[i + 2]!, ends[i + 3]!]
    const line: Line = ax > bx ? [bx, by, ax, ay] : [ax, ay, bx, by]
    const length = line[2] - line[0]
    if (length > 0 && Math.abs(line[3] - line[1]) <= steepest * length) lines.push(line)
  }
  return { edges, lines: joined(lines, maxGapPx, minLengthPx) }
}

/** Rise over run, downwards positive. */
export function slope(line: Line): number {
  return (line[3] - line[1]) / Math.max(line[2] - line[0], 1e-9)
}

/** Where the line, prolonged, is at x. */
export function yAt(line: Line, x: number): number {
  return line[1] + slope(line) * (x - line[0])
}

export function radians(degrees: number): number {
  return degrees * (Math.PI / 180)
}

function nearHorizontalEdges(pool: Pool, { dx, dy, across, down }: Gradients, settings: LineSettings): Mat {
  const { cv } = pool
  const [found, steep, flat, both] = [pool.mat(), pool.mat(), pool.mat(), pool.mat()]
  cv.Canny1(dx, dy, found, settings.cannyLow, settings.cannyHigh)
  const most = Math.tan(radians(Math.min(60, 2 * settings.maxSlopeDeg)))
  cv.addWeighted(across, 1, down, -most, 0, steep)
  const none = pool.keep(cv.matFromArray(1, 1, cv.CV_64F!, [0]))
  cv.inRange(steep, none, none, flat)
  cv.bitwise_and(found, flat, both)
  return inRuns(pool, both, Math.max(2, rint(settings.minLengthPx / 8)))
}

/** Edges in runs of that width, the widest, `MOST_EDGE_PX` at most. */
function inRuns(pool: Pool, edges: Mat, leastPx: number): Mat {
  const { cv } = pool
  const [labels, table] = [pool.mat(), pool.mat()]
  cv.connectedComponentsWithStats(edges, labels, table, pool.mat(), 8, cv.CV_32S!)
  const stats = table.data32S
  const widths = Array.from({ length: table.rows }, (_, label) => (label ? stats[5 * label + 2]! : 0))
  const keep = new Uint8Array(table.rows)
  let area = 0
  for (const label of widths.map((_, label) => label).sort((a, b) => widths[b]! - widths[a]!)) {
    area += label ? stats[5 * label + 4]! : 0
    if (area > MOST_EDGE_PX) break
    if (widths[label]! >= leastPx) keep[label] = 255
  }
  const kept = pool.keep(cv.Mat.zeros(edges.rows, edges.cols, cv.CV_8U!))
  const [to, from] = [kept.data, labels.data32S]
  for (let i = 0; i < from.length; i++) {
    const label = from[i]!
    if (label !== 0) to[i] = keep[label]!
  }
  return kept
}

function ofStrongestChannel(pool: Pool, dx: Mat, dy: Mat): [Mat, Mat] {
  const { cv } = pool
  const [bestX, bestY] = [pool.keep(new cv.Mat(dx.rows, dx.cols, cv.CV_16S!)), pool.keep(new cv.Mat(dx.rows, dx.cols, cv.CV_16S!))]
  const [x, y, toX, toY] = [dx.data16S, dy.data16S, bestX.data16S, bestY.data16S]
  for (let i = 0, at = 0; i < toX.length; i++, at += 3) {
    let best = at
    let most = Math.abs(x[at]!) + Math.abs(y[at]!)
    for (let other = at + 1; other < at + 3; other++) {
      const sum = Math.abs(x[other]!) + Math.abs(y[other]!)
      if (sum > most) [best, most] = [other, sum]
    }
    toX[i] = x[best]!
    toY[i] = y[best]!
  }
  return [bestX, bestY]
}

function strongest(pool: Pool, gradient: Mat): Mat {
  const { cv } = pool
  const own = new Pool(cv)
  const [quarter, channels, most] = [own.mat(), own.keep(new cv.MatVector()), pool.mat()]
  cv.convertScaleAbs(gradient, quarter, 0.25)
  cv.split(quarter, channels)
  const [b, g, r] = [0, 1, 2].map((at) => own.keep(channels.get(at)))
  cv.max(b!, g!, most)
  cv.max(most, r!, most)
  own.empty()
  return most
}

function joined(segments: Line[], maxGapPx: number, leastPx: number): Line[] {
  let lines = longestFirst(segments).slice(0, 2 * MOST_LINES)
  for (let round = 0; round < JOIN_ROUNDS; round++) lines = longestFirst(joinedOnce(lines, maxGapPx))
  return lines.filter((line) => line[2] - line[0] >= leastPx).slice(0, MOST_LINES)
}

function joinedOnce(lines: Line[], maxGapPx: number): Line[] {
  const kept: { line: Line; slope: number }[] = []
  for (const line of lines) {
    const same = kept.find(({ line: [x0, y0, x1], slope }) => {
      const off = Math.max(Math.abs(y0 + slope * (line[0] - x0) - line[1]), Math.abs(y0 + slope * (line[2] - x0) - line[3]))
      return off <= JOIN_PX && Math.max(x0 - line[2], line[0] - x1) <= maxGapPx
    })
    if (!same) {
      kept.push({ line, slope: slope(line) })
      continue
    }
    const left = line[0] < same.line[0] ? line : same.line
    const right = line[2] > same.line[2] ? line : same.line
    same.line = [left[0], left[1], right[2], right[3]]
    same.slope = slope(same.line)
  }
  return kept.map(({ line }) => line)
}

function longestFirst(lines: Line[]): Line[] {
  return lines.toSorted((a, b) => a[0] - a[2] - (b[0] - b[2]) || a[1] - b[1] || a[0] - b[0])
}
