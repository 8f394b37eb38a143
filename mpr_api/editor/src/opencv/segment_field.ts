// gpu_service/routines/segment_field.py in the browser: the same OpenCV calls in the same order. The reasons stand there.
import { rint, roundTo, type Mat, type Pool } from './cv'

const WORKING_SIDE_PX = 480
const MOST_AREAS = 4
const HULL_FILL = 0.75
const OUTLINE_TOLERANCE_PX = 1.5

export interface SegmentFieldSettings {
  hue_low: number
  hue_high: number
  sat_low: number
  sat_high: number
  val_low: number
  val_high: number
  morph_kernel: number
  min_area_ratio: number
}

export interface FieldAnswer {
  /** x, y of each corner in pixels of the picture; empty where there is no field. */
  polygon: [number, number][]
  /** Of the picture, 0 to 1. */
  share: number
}

/** What does not depend on the settings: made once for a picture, however often it is tried. */
export interface FieldPicture {
  width: number
  height: number
  step: number
  /** Working size. */
  hsv: Mat
}

/** Of a BGR picture. */
export function prepareField(pool: Pool, image: Mat): FieldPicture {
  const { cv } = pool
  const [height, width] = [image.rows, image.cols]
  const step = Math.ceil(Math.max(height, width) / WORKING_SIDE_PX)
  const [small, hsv] = [pool.mat(), pool.mat()]
  const size = new cv.Size(Math.max(1, Math.floor(width / step)), Math.max(1, Math.floor(height / step)))
  if (step > 1) cv.resize(image, small, size, 0, 0, cv.INTER_AREA!)
  cv.cvtColor(step > 1 ? small : image, hsv, cv.COLOR_BGR2HSV!)
  return { width, height, step, hsv }
}

export function findField(pool: Pool, { width, height, step, hsv }: FieldPicture, settings: SegmentFieldSettings): FieldAnswer {
  const mask = largeAreas(pool, smooth(pool, inRange(pool, hsv, settings), settings.morph_kernel / step), settings.min_area_ratio)
  const share = pool.cv.countNonZero(mask) / (mask.rows * mask.cols)
  return { polygon: outline(pool, mask, width, height), share }
}

function inRange(pool: Pool, hsv: Mat, settings: SegmentFieldSettings): Mat {
  const { cv } = pool
  const { hue_low: low, hue_high: high, sat_low, sat_high, val_low, val_high } = settings
  const spans = low <= high ? [[low, high]] : [[low, 179], [0, high]]
  const masks = spans.map(([first, last]) => {
    const bound = (values: number[]) => pool.keep(cv.matFromArray(3, 1, cv.CV_64F!, values))
    const mask = pool.mat()
    cv.inRange(hsv, bound([first!, sat_low, val_low]), bound([last!, sat_high, val_high]), mask)
    return mask
  })
  if (masks.length === 1) return masks[0]!
  const either = pool.mat()
  cv.bitwise_or(masks[0]!, masks[1]!, either)
  return either
}

function smooth(pool: Pool, mask: Mat, kernelPx: number): Mat {
  const { cv } = pool
  const side = 2 * rint((kernelPx - 1) / 2) + 1
  if (side < 3) return mask
  const [opened, closed, centre] = [pool.mat(), pool.mat(), new cv.Point(-1, -1)]
  const square = (px: number) => pool.keep(cv.Mat.ones(px, px, cv.CV_8U!))
  cv.morphologyEx(mask, opened, cv.MORPH_OPEN!, square(3), centre, Math.max(1, Math.floor(side / 4)))
  cv.morphologyEx(opened, closed, cv.MORPH_CLOSE!, square(side), centre, 1)
  return closed
}

function largeAreas(pool: Pool, mask: Mat, minAreaRatio: number): Mat {
  const { cv } = pool
  const [labels, stats] = [pool.mat(), pool.mat()]
  cv.connectedComponentsWithStats(mask, labels, stats, pool.mat(), 8, cv.CV_32S!)
  const areas = Array.from({ length: stats.rows }, (_, label) => (label ? stats.data32S[label * stats.cols + 4]! : 0))
  const least = Math.max(1, minAreaRatio * mask.rows * mask.cols)
  const largest = areas.map((_, label) => label).sort((a, b) => areas[b]! - areas[a]!)
  const kept = new Uint8Array(areas.length)
  for (const label of largest.slice(0, MOST_AREAS)) kept[label] = areas[label]! >= least ? 255 : 0
  const large = pool.keep(new cv.Mat(mask.rows, mask.cols, cv.CV_8U!))
  const [to, from] = [large.data, labels.data32S]
  for (let i = 0; i < to.length; i++) to[i] = kept[from[i]!]!
  return large
}

function outline(pool: Pool, mask: Mat, width: number, height: number): [number, number][] {
  const { cv } = pool
  const found = pool.keep(new cv.MatVector())
  cv.findContours(mask, found, pool.mat(), cv.RETR_EXTERNAL!, cv.CHAIN_APPROX_SIMPLE!)
  if (!found.size()) return []
  const outlines = Array.from({ length: found.size() }, (_, at) => pool.keep(found.get(at)))
  const areas = outlines.map((each) => cv.contourArea(each))
  const largest = outlines[areas.indexOf(Math.max(...areas))]!
  let chosen = largest
  if (outlines.length > 1) {
    const points = outlines.flatMap((each) => Array.from(each.data32S))
    const hull = pool.mat()
    cv.convexHull(pool.keep(cv.matFromArray(points.length / 2, 1, cv.CV_32SC2!, points)), hull)
    if (areas.reduce((sum, area) => sum + area, 0) >= HULL_FILL * cv.contourArea(hull)) chosen = hull
  }
  const simple = pool.mat()
  cv.approxPolyDP(chosen, simple, OUTLINE_TOLERANCE_PX, true)
  const corners = Array.from(simple.data32S)
  if (corners.length < 6) {
    const box = cv.boundingRect(largest)
    const [left, top] = [(box.x / mask.cols) * width, (box.y / mask.rows) * height]
    const [right, bottom] = [((box.x + box.width) / mask.cols) * width, ((box.y + box.height) / mask.rows) * height]
    return [[left, top], [right, top], [right, bottom], [left, bottom]]
  }
  const [scaleX, scaleY] = [width / Math.max(1, mask.cols - 1), height / Math.max(1, mask.rows - 1)]
  return Array.from({ length: corners.length / 2 }, (_, i) => [roundTo(corners[2 * i]! * scaleX, 1), roundTo(corners[2 * i + 1]! * scaleY, 1)])
}
