import { expect, it } from 'vitest'
import { dollars } from './money'

it.each([
  [0, '$0.00'],
  [1, '$0.000001'],
  [123, '$0.00012'],
  [45_678, '$0.046'],
  [123_456, '$0.12'],
  [1_234_567_890, '$1,234.57'],
])('dollars %d', (microUsd, words) => expect(dollars(microUsd)).toBe(words))
