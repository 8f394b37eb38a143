// What the browser is asked to find by itself, and when it can. Part of the first load: no OpenCV here.
import type { Json } from '../settings/fields'

const STAGES_HERE = ['field_segmentation', 'detect_edges'] as const
export type StageHere = (typeof STAGES_HERE)[number]

export interface Wish {
  stage: StageHere
  seq: number
  settings: Record<string, Json>
  /** The field's polygon in this frame, as it is stored. */
  field: [number, number][]
}

/** Bounds that may not cross; the server says so in words. */
const RANGES = [
  ['sat_low', 'sat_high'],
  ['val_low', 'val_high'],
  ['edge_canny_low', 'edge_canny_high'],
  ['edge_pair_min_distance', 'edge_pair_max_distance'],
] as const

/** Whether the browser can do it: a stage of its own, with settings that the stage takes. */
export function runsHere(stage: string, settings: Record<string, Json>): stage is StageHere {
  return STAGES_HERE.includes(stage as StageHere) && RANGES.every(([low, high]) => !(low in settings) || Number(settings[low]) <= Number(settings[high]))
}
