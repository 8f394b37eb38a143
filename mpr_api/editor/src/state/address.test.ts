import { describe, expect, it } from 'vitest'
import { NOWHERE, placeOf, queryOf, type Place } from './address'

const PLACES: [string, string, Place][] = [
  ['nothing', '', NOWHERE],
  ['a timeline', '?timeline=match', { ...NOWHERE, timeline: 'match' }],
  ['a frame of it', '?timeline=match&stage=run_ocr&frame=12', { ...NOWHERE, timeline: 'match', stage: 'run_ocr', frame: 12 }],
  ['a live session', '?live=derby', { ...NOWHERE, live: 'derby' }],
  ['the list of them', '?live=', { ...NOWHERE, live: '' }],
  ['a panel', '?timeline=match&panel=review', { ...NOWHERE, timeline: 'match', panel: 'review' }],
  ['names of any script', '?timeline=%E8%A9%A6%E5%90%88+%26+%D7%90', { ...NOWHERE, timeline: '試合 & א' }],
  ['exposures on a shirt', '?timeline=match&on=shirt', { ...NOWHERE, timeline: 'match', on: 'shirt' }],
  ['all objects', '?timeline=match&objects=', { ...NOWHERE, timeline: 'match', objects: '' }],
  ['objects of a label', '?timeline=match&on=object%3Acar&objects=car', { ...NOWHERE, timeline: 'match', on: 'object:car', objects: 'car' }],
  ['a mark', '?timeline=match&mark=12%2C40%2C60%2C200%2C50', { ...NOWHERE, timeline: 'match', mark: '12,40,60,200,50' }],
]

describe('placeOf and queryOf', () => {
  it.each(PLACES)('%s', (_, query, place) => {
    expect(placeOf(query)).toEqual(place)
    expect(queryOf(place)).toBe(query)
  })

  it.each(['', '1,2,3,4', '1,2,3,4,-5', 'x'])('a mark that is none: %s', (mark) => expect(placeOf(`?timeline=a&mark=${mark}`).mark).toBeNull())

  it('a panel that is none', () => expect(placeOf('?timeline=a&panel=x').panel).toBeNull())

  it.each(['-1', '1.5', 'x', '', '99999999999'])('a frame that is none: %s', (frame) => {
    expect(placeOf(`?timeline=a&frame=${frame}`).frame).toBeNull()
  })
})
