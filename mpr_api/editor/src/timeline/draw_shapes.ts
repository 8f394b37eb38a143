// Outlines with their names on a canvas.
import type { Row, Shape } from './shapes'

export interface Fit {
  /** Pixels of the canvas for a pixel of the frame. */
  scale: number
  /** Where the frame's top left lies. */
  x: number
  y: number
}

/** Objects that are no brand, as in the pictures that stages draw. */
export const OBJECT_COLOUR = '#a3e635'

const MOST_NAMED = 60

/** Rims of what settings change: gained, lost, and found otherwise. */
export const RIMS = { gained: '#3ddc84', lost: '#ff6b60', changed: '#ffc94d' }

/** `selected`: the row whose outline stands out; `rims`: the colour of a rim around a row's outline. */
export function drawShapes(
  context: CanvasRenderingContext2D,
  shapes: Shape[],
  fit: Fit,
  colour: (name: string) => string,
  selected: Row | null = null,
  rims: Map<Row, string> = new Map(),
): void {
  context.lineJoin = 'round'
  context.font = '12px system-ui, sans-serif'
  context.textBaseline = 'bottom'
  for (const [i, shape] of shapes.entries()) {
    const points = shape.points.map(([x, y]) => [fit.x + x * fit.scale, fit.y + y * fit.scale] as const)
    context.beginPath()
    for (const [x, y] of points) context.lineTo(x, y)
    context.closePath()
    const rim = rims.get(shape.row)
    if (rim) {
      context.lineWidth = 8
      context.strokeStyle = rim
      context.stroke()
    }
    context.lineWidth = shape.row === selected ? 5 : 2
    context.strokeStyle = shape.brand ? colour(shape.brand) : shape.object ? OBJECT_COLOUR : '#7dd3fc'
    context.setLineDash(shape.object ? [6, 3] : [])
    context.stroke()
    context.setLineDash([])
    if (shape.name && i < MOST_NAMED) drawName(context, shape, Math.min(...points.map(([x]) => x)), Math.min(...points.map(([, y]) => y)))
  }
}

function drawName(context: CanvasRenderingContext2D, shape: Shape, left: number, top: number): void {
  const words = shape.confidence === null ? shape.name : `${shape.name} ${Math.round(shape.confidence * 100)} %`
  const width = context.measureText(words).width + 8
  const bottom = Math.max(16, top)
  context.fillStyle = '#000b'
  context.fillRect(left, bottom - 16, width, 16)
  context.fillStyle = shape.brand || shape.object ? (context.strokeStyle as string) : '#fff'
  context.fillText(words, left + 4, bottom - 1)
}
