import { describe, expect, it } from 'vitest'
import { rint, roundTo } from './cv'
import { runsHere } from './wish'

describe('rounding as Python does', () => {
  it.each([
    [0, 0],
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [2.51, 3],
    [-0.5, 0],
    [-1.5, -2],
  ])('rint %d', (value, whole) => expect(rint(value) + 0).toBe(whole))

  it.each([
    [0, 1, 0],
    [0.25, 1, 0.2],
    [0.75, 1, 0.8],
    [1.05, 1, 1.1],
    [2.675, 2, 2.67],
    [0.03125, 4, 0.0312],
    [639.95, 1, 640],
  ])('%d to %d decimals', (value, digits, rounded) => expect(roundTo(value, digits)).toBe(rounded))
})

describe('runsHere', () => {
  it.each([
    ['no settings', 'detect_edges', {}, true],
    ['another stage', 'run_ocr', {}, false],
    ['bounds in order', 'detect_edges', { edge_canny_low: 20, edge_canny_high: 20 }, true],
    ['bounds that cross', 'field_segmentation', { val_low: 9, val_high: 8 }, false],
  ])('%s', (_, stage, settings, expected) => expect(runsHere(stage, settings)).toBe(expected))
})
