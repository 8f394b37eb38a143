import { expect, it } from 'vitest'
import { clock, length, rulerStepMs } from './time'

it.each([
  [0, '0:00.000'],
  [40, '0:00.040'],
  [61_005, '1:01.005'],
  [3_600_000 + 120_000 + 3_040, '1:02:03.040'],
])('clock %d', (ms, text) => expect(clock(ms)).toBe(text))

it.each([
  [0, '0.0 s'],
  [8_400, '8.4 s'],
  [720_000, '12 min'],
  [3_900_000, '1 h 5 min'],
])('length %d', (ms, text) => expect(length(ms)).toBe(text))

it.each([
  [1000, 10, 100],
  [20_000, 10, 2000],
  [7_200_000, 10, 1_200_000],
])('ruler of %d ms with %d marks', (span, most, step) => expect(rulerStepMs(span, most)).toBe(step))
