// The part of OpenCV.js that is used, its matrices deleted in time, and Python's rounding.

export interface Mat {
  readonly rows: number
  readonly cols: number
  readonly data: Uint8Array
  readonly data16S: Int16Array
  readonly data32S: Int32Array
  readonly data32F: Float32Array
  delete(): void
}

export interface MatVector {
  size(): number
  get(at: number): Mat
  push_back(mat: Mat): void
  delete(): void
}

type Point = { x: number; y: number }
type Size = { width: number; height: number }

export interface Cv {
  Mat: { new (): Mat; new (rows: number, cols: number, type: number): Mat; ones(rows: number, cols: number, type: number): Mat; zeros(rows: number, cols: number, type: number): Mat }
  MatVector: new () => MatVector
  Size: new (width: number, height: number) => Size
  Point: new (x: number, y: number) => Point
  Scalar: new (...values: number[]) => number[]
  matFromArray(rows: number, cols: number, type: number, values: ArrayLike<number>): Mat
  resize(from: Mat, to: Mat, size: Size, fx: number, fy: number, interpolation: number): void
  cvtColor(from: Mat, to: Mat, code: number): void
  inRange(from: Mat, low: Mat, high: Mat, to: Mat): void
  bitwise_or(a: Mat, b: Mat, to: Mat): void
  bitwise_and(a: Mat, b: Mat, to: Mat): void
  morphologyEx(from: Mat, to: Mat, operation: number, kernel: Mat, anchor: Point, iterations: number): void
  connectedComponentsWithStats(from: Mat, labels: Mat, stats: Mat, centroids: Mat, connectivity: number, type: number): number
  findContours(from: Mat, contours: MatVector, hierarchy: Mat, mode: number, method: number): void
  contourArea(contour: Mat): number
  convexHull(points: Mat, hull: Mat): void
  approxPolyDP(curve: Mat, to: Mat, tolerance: number, closed: boolean): void
  boundingRect(points: Mat): { x: number; y: number; width: number; height: number }
  Sobel(from: Mat, to: Mat, depth: number, dx: number, dy: number, side: number, scale: number, delta: number, border: number): void
  Canny1(dx: Mat, dy: Mat, to: Mat, low: number, high: number): void
  convertScaleAbs(from: Mat, to: Mat, alpha: number): void
  split(from: Mat, to: MatVector): void
  max(a: Mat, b: Mat, to: Mat): void
  addWeighted(a: Mat, alpha: number, b: Mat, beta: number, gamma: number, to: Mat): void
  HoughLinesP(edges: Mat, lines: Mat, rho: number, theta: number, votes: number, minLength: number, maxGap: number): void
  dilate(from: Mat, to: Mat, kernel: Mat): void
  blur(from: Mat, to: Mat, size: Size): void
  fillPoly(picture: Mat, polygons: MatVector, color: number[]): void
  countNonZero(from: Mat): number
  [constant: `COLOR_${string}` | `CV_${string}` | `MORPH_${string}` | `INTER_${string}` | `RETR_${string}` | `CHAIN_${string}` | `BORDER_${string}`]: number
}

/** Matrices and vectors that are deleted together: WebAssembly's memory is not collected. */
export class Pool {
  private readonly held: { delete(): void }[] = []

  constructor(readonly cv: Cv) {}

  keep<T extends { delete(): void }>(made: T): T {
    this.held.push(made)
    return made
  }

  mat(): Mat {
    return this.keep(new this.cv.Mat())
  }

  empty(): void {
    for (const held of this.held.splice(0)) held.delete()
  }
}

/** To the nearest whole number, halves to the even one. */
export function rint(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}

/** To so many decimals, exact halves to the even digit. */
export function roundTo(value: number, digits: number): number {
  const exact = Math.abs(value).toFixed(digits + 16)
  const half = /^50*$/.test(exact.slice(-16))
  const cut = exact.slice(0, -16)
  if (half && Number(cut.at(-1)) % 2 === 0) return Math.sign(value) * Number(cut)
  return Number(value.toFixed(digits))
}

export function clipped(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
