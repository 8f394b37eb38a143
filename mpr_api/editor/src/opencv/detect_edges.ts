// gpu_service/routines/detect_edges.py in the browser: the same OpenCV calls in the same order. The reasons stand there.
import { clipped, Pool, rint, roundTo, type Mat } from './cv'
import { gradientsOf, nearHorizontalLines, slope, yAt, type Gradients, type Line } from './horizontal_lines'

const WORKING_AREA_PX = 960 * 540
const MOST_PAIRS = 400
const MOST_REGIONS = 60
const MOST_CONVERGENCE_DEG = 4
const LEAST_SHARED = 0.4
const LEAST_SUPPORT = 0.35
const COLUMN_PX = 4
const WINDOW_COLUMNS = 17
const WINDOW_SUPPORT = 0.5
const MOST_INSIDE_FIELD = 0.5
const AWAY_FROM_FIELD = 0.7
const SAME_BAND = 0.6

export interface EdgeSettings {
  edge_canny_low: number
  edge_canny_high: number
  edge_hough_threshold: number
  edge_hough_min_length: number
  edge_hough_max_gap: number
  edge_pair_max_distance: number
  edge_pair_min_distance: number
  edge_max_slope_deg: number
}

export interface Region {
  x: number
  y: number
  w: number
  h: number
  confidence: number
  label: string
}

/** Left, right, then the y of the top line at left and at right, then of the bottom line. */
type Band = [number, number, number, number, number, number]

/** What does not depend on the settings: made once for a picture, however often it is tried. */
export interface EdgePicture {
  width: number
  height: number
  scale: number
  gradients: Gradients
}

/** Of a BGR picture. */
export function prepareEdges(pool: Pool, image: Mat): EdgePicture {
  const { cv } = pool
  const own = new Pool(cv)
  const [height, width] = [image.rows, image.cols]
  const scale = Math.min(1, Math.sqrt(WORKING_AREA_PX / (width * height)))
  let small = image
  if (scale < 1) {
    small = own.mat()
    cv.resize(image, small, new cv.Size(Math.max(1, rint(width * scale)), Math.max(1, rint(height * scale))), 0, 0, cv.INTER_AREA!)
  }
  const gradients = gradientsOf(pool, small)
  own.empty()
  return { width, height, scale, gradients }
}

/** Bands that may be boards, surest first. `field`: the field's polygon in pixels of the picture. */
export function findBoards(pool: Pool, picture: EdgePicture, settings: EdgeSettings, field: [number, number][]): Region[] {
  const { width, height, scale, gradients } = picture
  const [w, h] = [gradients.dx.cols, gradients.dx.rows]
  const gapPx = settings.edge_hough_max_gap * scale
  const leastPx = settings.edge_hough_min_length * scale
  const { edges, lines } = nearHorizontalLines(pool, gradients, {
    cannyLow: settings.edge_canny_low,
    cannyHigh: settings.edge_canny_high,
    votes: settings.edge_hough_threshold * scale,
    minLengthPx: leastPx,
    maxGapPx: gapPx,
    maxSlopeDeg: settings.edge_max_slope_deg,
  })
  const { bands, support } = bandsOf(pool, pairsOf(lines, settings, scale), edges)
  const off = offField(pool, bands, field.map(([x, y]) => [x * (w / width), y * (h / height)]), edges)
  const confidence = bands.map((band, i) => (band[1] - band[0] < leastPx ? 0 : support[i]! * off[i]!))
  return regionsOf(merged(bands, confidence, gapPx), [width / w, height / h], [width, height])
}

function pairsOf(lines: Line[], settings: EdgeSettings, scale: number): [Line, Line][] {
  const [least, most] = [settings.edge_pair_min_distance * scale, settings.edge_pair_max_distance * scale]
  const angles = lines.map((line) => Math.atan(slope(line)) * (180 / Math.PI))
  const found: { shared: number; pair: [Line, Line] }[] = []
  lines.forEach((one, i) => {
    for (let j = i + 1; j < lines.length; j++) {
      const two = lines[j]!
      const [left, right] = [Math.max(one[0], two[0]), Math.min(one[2], two[2])]
      const shorter = Math.min(one[2] - one[0], two[2] - two[0])
      if (right - left < Math.max((settings.edge_hough_min_length * scale) / 2, LEAST_SHARED * shorter)) continue
      const [atLeft, atRight] = [yAt(two, left) - yAt(one, left), yAt(two, right) - yAt(one, right)]
      const distance = Math.abs(atLeft + atRight) / 2
      if (distance < least - 0.5 || distance > most + 0.5 || !(atLeft * atRight > 0)) continue
      if (Math.abs(angles[i]! - angles[j]!) > MOST_CONVERGENCE_DEG) continue
      found.push({ shared: right - left, pair: atLeft + atRight > 0 ? [one, two] : [two, one] })
    }
  })
  return found.sort((a, b) => b.shared - a.shared).slice(0, MOST_PAIRS).map(({ pair }) => pair)
}

function bandsOf(pool: Pool, pairs: [Line, Line][], edges: Mat): { bands: Band[]; support: number[] } {
  if (!pairs.length) return { bands: [], support: [] }
  const { cv } = pool
  const thick = pool.mat()
  cv.dilate(edges, thick, pool.keep(cv.Mat.ones(5, 3, cv.CV_8U!)))
  const columns = Array.from({ length: Math.ceil(edges.cols / COLUMN_PX) }, (_, i) => i * COLUMN_PX)
  const [seenUpper, seenLower] = [0, 1].map((side) => seenAlong(pool, pairs.map((pair) => pair[side]!), columns, thick))
  const [blurredUpper, blurredLower] = [seenUpper!, seenLower!].map((seen) => {
    const blurred = pool.mat()
    cv.blur(seen, blurred, new cv.Size(WINDOW_COLUMNS, 1))
    return blurred
  })
  // Taken when nothing is allocated any more: WebAssembly's memory moves as it grows.
  const [onUpper, onLower, aroundUpper, aroundLower] = [seenUpper!, seenLower!, blurredUpper!, blurredLower!].map((mat) => mat.data32F)
  const [bands, support]: [Band[], number[]] = [[], []]
  pairs.forEach(([upper, lower], row) => {
    const at = row * columns.length
    let [left, right] = [Math.max(upper[0], lower[0]), Math.min(upper[2], lower[2])]
    const reach = [Math.min(upper[0], lower[0]), Math.max(upper[2], lower[2])] as const
    let [grownLeft, grownRight] = reach
    const middle = (left + right) / 2
    columns.forEach((column, i) => {
      const sure = Math.min(aroundUpper![at + i]!, aroundLower![at + i]!) >= WINDOW_SUPPORT
      const goesOn = (sure && column >= reach[0] && column <= reach[1]) || (column >= left && column <= right)
      if (goesOn) return
      if (column < middle) grownLeft = Math.max(grownLeft, column + COLUMN_PX)
      if (column > middle) grownRight = Math.min(grownRight, column - COLUMN_PX)
    })
    left = Math.min(left, grownLeft)
    right = Math.max(right, grownRight)
    let [within, byUpper, byLower] = [0, 0, 0]
    columns.forEach((column, i) => {
      if (column < left || column > right) return
      within++
      byUpper += onUpper![at + i]!
      byLower += onLower![at + i]!
    })
    const seen = Math.min(byUpper / Math.max(1, within), byLower / Math.max(1, within))
    const shorter = Math.min(upper[2] - upper[0], lower[2] - lower[0])
    bands.push([left, right, yAt(upper, left), yAt(upper, right), yAt(lower, left), yAt(lower, right)])
    support.push((seen < LEAST_SUPPORT ? 0 : seen) * Math.min(1, (right - left) / shorter))
  })
  return { bands, support }
}

/** 1 where the mask is set under the line, prolonged, at a column, else 0; a row for each line. */
function seenAlong(pool: Pool, lines: Line[], columns: number[], mask: Mat): Mat {
  const seen = pool.keep(new pool.cv.Mat(lines.length, columns.length, pool.cv.CV_32F!))
  const [to, from] = [seen.data32F, mask.data]
  let at = 0
  for (const line of lines) {
    const rise = slope(line)
    for (const column of columns) to[at++] = isSet(from, mask, column, line[1] + rise * (column - line[0])) ? 1 : 0
  }
  return seen
}

function isSet(data: Uint8Array, mask: Mat, x: number, y: number): boolean {
  return data[clipped(rint(y), 0, mask.rows - 1) * mask.cols + clipped(rint(x), 0, mask.cols - 1)]! > 0
}

function offField(pool: Pool, bands: Band[], corners: [number, number][], like: Mat): number[] {
  const { cv } = pool
  const mask = pool.keep(cv.Mat.zeros(like.rows, like.cols, cv.CV_8U!))
  if (corners.length >= 3) {
    const flat = corners.flat().map((value) => rint(clipped(value, -32000, 32000)))
    const polygons = pool.keep(new cv.MatVector())
    polygons.push_back(pool.keep(cv.matFromArray(corners.length, 1, cv.CV_32SC2!, flat)))
    cv.fillPoly(mask, polygons, new cv.Scalar(255))
  }
  if (cv.countNonZero(mask) === 0) return bands.map(() => 1)
  const data = mask.data
  return bands.map((band) => {
    const along = linspace(0, 1, 32).map((part) => ({
      x: band[0] + (band[1] - band[0]) * part,
      top: band[2] + (band[3] - band[2]) * part,
      bottom: band[4] + (band[5] - band[4]) * part,
    }))
    const onField = (part: number) => along.filter(({ x, top, bottom }) => isSet(data, mask, x, top + (bottom - top) * part)).length / along.length
    const inside = linspace(0.05, 0.95, 7).reduce((sum, part) => sum + onField(part), 0) / 7
    const height = along.reduce((sum, { top, bottom }) => sum + (bottom - top), 0) / along.length
    const beside = 0.12 + 4 / Math.max(1, height)
    const off = inside > MOST_INSIDE_FIELD ? 0 : 1 - inside
    return Math.max(onField(1 + beside), onField(-beside)) >= 0.5 ? off : off * AWAY_FROM_FIELD
  })
}

function linspace(start: number, stop: number, count: number): number[] {
  const step = (stop - start) / (count - 1)
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? stop : i * step + start))
}

interface Kept {
  band: Band
  confidence: number
}

function merged(bands: Band[], confidence: number[], maxGapPx: number): Kept[] {
  const kept: Kept[] = []
  const score = bands.map((band, i) => confidence[i]! * Math.sqrt(Math.max(band[1] - band[0], 0)))
  for (const index of bands.map((_, i) => i).sort((a, b) => score[b]! - score[a]!)) {
    if (confidence[index]! <= 0 || kept.length >= MOST_REGIONS) break
    const band = bands[index]!
    const places = kept.map((other) => shared(band, other.band))
    const same = places.findIndex(({ over, union, wide }) => over >= SAME_BAND * union && wide >= -maxGapPx)
    if (same >= 0) kept[same]!.band = widened(kept[same]!.band, band)
    else if (!places.some(({ over, lower, wide, narrower }) => over >= SAME_BAND * lower && wide >= SAME_BAND * narrower)) {
      kept.push({ band, confidence: confidence[index]! })
    }
  }
  return kept
}

/** How two bands lie to each other: heights at the middle of what they share, and widths. */
function shared(band: Band, other: Band) {
  const [from, to] = [Math.max(other[0], band[0]), Math.min(other[1], band[1])]
  const middle = (to + from) / 2
  const [top, bottom] = bandAt(band, middle)
  const [otherTop, otherBottom] = bandAt(other, middle)
  return {
    over: Math.max(0, Math.min(bottom, otherBottom) - Math.max(top, otherTop)),
    union: Math.max(bottom, otherBottom) - Math.min(top, otherTop),
    lower: Math.min(bottom - top, otherBottom - otherTop),
    wide: to - from,
    narrower: Math.min(other[1] - other[0], band[1] - band[0]),
  }
}

function bandAt(band: Band, x: number): [number, number] {
  const part = (x - band[0]) / Math.max(band[1] - band[0], 1e-9)
  return [band[2] + (band[3] - band[2]) * part, band[4] + (band[5] - band[4]) * part]
}

function widened(band: Band, other: Band): Band {
  const left = band[0] <= other[0] ? band : other
  const right = band[1] >= other[1] ? band : other
  return [left[0], right[1], left[2], right[3], left[4], right[5]]
}

function regionsOf(kept: Kept[], [scaleX, scaleY]: [number, number], [width, height]: [number, number]): Region[] {
  const found: Region[] = []
  for (const { band, confidence } of kept) {
    const [left, right] = [band[0] * scaleX, (band[1] + 1) * scaleX]
    const [top, bottom] = [Math.min(band[2], band[3]) * scaleY, (Math.max(band[4], band[5]) + 1) * scaleY]
    const [x, y] = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top))]
    const [w, h] = [Math.min(width, Math.ceil(right)) - x, Math.min(height, Math.ceil(bottom)) - y]
    if (w > 0 && h > 0) found.push({ x, y, w, h, confidence: roundTo(Math.min(1, confidence), 4), label: 'board' })
  }
  return found.sort((a, b) => b.confidence - a.confidence || a.y - b.y || a.x - b.x)
}
