import { describe, expect, it } from 'vitest'
import type { Schemas } from '../api/client'
import { chosen } from './choice'

function card(id: string, durationMs: number, brands: [string, number][], states: string[]): Schemas['TimelineCard'] {
  return {
    id,
    profile: 'generic',
    duration_ms: durationMs,
    poster: null,
    brands: brands.map(([brand, screen_ms]) => ({ brand, screen_ms })),
    stages: states.map((state) => ({ stage: 's', state, causes: [], overrides: {}, skipped: null, rows: null, seconds: null, data_version: null })),
  }
}

const CARDS = [
  card('match10', 10, [['Acme', 5]], ['fresh']),
  card('match9', 30, [['Velquora', 9]], ['fresh', 'stale']),
  card('advert', 20, [], ['missing', 'missing']),
]

describe('chosen', () => {
  it('nothing from nothing', () => expect(chosen([], 'x', 'name')).toEqual([]))
  it.each([
    ['by name, numbers as numbers', '', 'name', ['advert', 'match9', 'match10']],
    ['the longest first', '', 'duration', ['match9', 'advert', 'match10']],
    ['most brand time first', '', 'brands', ['match9', 'match10', 'advert']],
    ['most to do first', '', 'state', ['advert', 'match9', 'match10']],
    ['by a word of the name', 'MATCH', 'name', ['match9', 'match10']],
    ['by name and brand', 'match acme', 'name', ['match10']],
    ['nothing is called so', 'zzz', 'name', []],
  ] as const)('%s', (_, search, order, ids) => expect(chosen([...CARDS], search, order).map((found) => found.id)).toEqual(ids))
})
