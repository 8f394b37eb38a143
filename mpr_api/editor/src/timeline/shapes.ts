// What is drawn over a frame for the rows of a stage's table: outlines with a name.

export interface Row {
  [column: string]: unknown
}

export interface Shape {
  /** x, y of each corner in pixels of the frame. */
  points: [number, number][]
  /** Brand, text or label; empty where the stage names nothing. */
  name: string
  /** 0 to 1; null where the stage has none. */
  confidence: number | null
  /** Whether it is a brand that was found, not a candidate. */
  brand: string | null
  /** Whether it is an object, which is no brand. */
  object: boolean
  row: Row
}

/** Engines that find objects. */
const OBJECT_ENGINES: unknown[] = ['yolo', 'onnx']

/** The outline of a row, by its polygon or quad where it has one, else its box; null for a row without a place. */
export function shapeOf(row: Row): Shape | null {
  const points = pointsOf(row)
  if (!points) return null
  return {
    points,
    name: String(row.brand ?? row.text ?? row.label ?? ''),
    confidence: typeof row.confidence === 'number' ? row.confidence : null,
    brand: typeof row.brand === 'string' ? row.brand : null,
    object: OBJECT_ENGINES.includes(row.engine),
    row,
  }
}

export function shapesOf(rows: Row[]): Shape[] {
  return rows.map(shapeOf).filter((shape) => shape !== null)
}

function pointsOf(row: Row): [number, number][] | null {
  for (const outline of [row.polygon, row.quad]) {
    if (!Array.isArray(outline) || outline.length === 0) continue
    const flat = (outline as unknown[]).flat() as number[]
    return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!])
  }
  const { x, y, w, h } = row
  if (typeof x !== 'number' || typeof y !== 'number' || typeof w !== 'number' || typeof h !== 'number') return null
  return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
}

/** Whether the point, in pixels of the frame, is inside the outline (even-odd rule). */
export function holds(shape: Shape, px: number, py: number): boolean {
  let inside = false
  for (let i = 0, j = shape.points.length - 1; i < shape.points.length; j = i++) {
    const [ax, ay] = shape.points[i]!
    const [bx, by] = shape.points[j]!
    if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) inside = !inside
  }
  return inside
}
