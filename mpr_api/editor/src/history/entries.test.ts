import { describe, expect, it } from 'vitest'
import { depths, wordsOf } from './entries'

const entry = (reference: string, below: string | null, rest = {}) => ({ reference, below, number: 1, changed: [], counts: {}, note: '', ...rest })

describe('depths', () => {
  it('none', () => expect(depths([])).toEqual([]))
  it('a tree, and one whose origin is not told', () =>
    expect(depths([entry('a', null), entry('b', 'a'), entry('c', 'b'), entry('d', 'a'), entry('e', 'gone')])).toEqual([0, 1, 2, 1, 0]))
})

describe('wordsOf', () => {
  it.each([
    ['nothing', {}, ''],
    ['a note', { note: 'switched off' }, 'switched off'],
    ['settings and counts', { changed: [{ setting: 'low', was: 1, now: null }], counts: { rows: 1200, frames: 3, more: 4 } }, 'low 1 → null; 1,200 rows, 3 frames'],
  ])('%s', (_, rest, words) => expect(wordsOf(entry('a', null, rest))).toBe(words))
})
