// A box that is drawn on a frame.

export interface Box {
  x: number
  y: number
  w: number
  h: number
}

/** A smaller one is no mark. */
const LEAST_PX = 8

/** The whole pixels between two corners, within the frame; null where too little is between them. */
export function boxBetween([ax, ay]: [number, number], [bx, by]: [number, number], widthPx: number, heightPx: number): Box | null {
  const within = (value: number, most: number) => Math.round(Math.min(most, Math.max(0, value)))
  const [left, right] = [within(Math.min(ax, bx), widthPx), within(Math.max(ax, bx), widthPx)]
  const [top, bottom] = [within(Math.min(ay, by), heightPx), within(Math.max(ay, by), heightPx)]
  const box = { x: left, y: top, w: right - left, h: bottom - top }
  return box.w >= LEAST_PX && box.h >= LEAST_PX ? box : null
}
