// What the page's address says: the timeline, the stage, the frame. A link shows a colleague the same.

export type Panel = 'review' | 'history'
const PANELS: readonly string[] = ['review', 'history'] satisfies Panel[]

export interface Place {
  timeline: string | null
  /** Name of a live session; empty: the list of them. */
  live: string | null
  stage: string | null
  /** Number of the frame (`seq`). */
  frame: number | null
  /** The mark that is looked at: its frame and its box, like `12,40,60,200,50`. */
  mark: string | null
  /** What the exposures in the lanes are on: a placement, or `object:` and a label; null: on anything. */
  on: string | null
  /** Label of the objects that are drawn; empty: of all labels, null: none are. */
  objects: string | null
  /** What is shown beside the picture; null: the settings. */
  panel: Panel | null
}

export const NOWHERE: Place = { timeline: null, live: null, stage: null, frame: null, mark: null, on: null, objects: null, panel: null }

/** The place that a query like `?timeline=match&frame=12` names; what it does not name is null. */
export function placeOf(query: string): Place {
  const given = new URLSearchParams(query)
  const frame = given.get('frame')
  return {
    timeline: given.get('timeline') || null,
    live: given.get('live'),
    stage: given.get('stage') || null,
    frame: frame !== null && /^\d{1,9}$/.test(frame) ? Number(frame) : null,
    mark: /^\d{1,9}(,\d{1,6}){4}$/.test(given.get('mark') ?? '') ? given.get('mark') : null,
    on: given.get('on') || null,
    objects: given.get('objects'),
    panel: PANELS.includes(given.get('panel') ?? '') ? (given.get('panel') as Panel) : null,
  }
}

/** The query that names the place; empty for the library. */
export function queryOf(place: Place): string {
  if (place.live !== null) return `?${new URLSearchParams({ live: place.live })}`
  if (place.timeline === null) return ''
  const named = new URLSearchParams({ timeline: place.timeline })
  if (place.stage !== null) named.set('stage', place.stage)
  if (place.frame !== null) named.set('frame', String(place.frame))
  if (place.mark !== null) named.set('mark', place.mark)
  if (place.on !== null) named.set('on', place.on)
  if (place.objects !== null) named.set('objects', place.objects)
  if (place.panel !== null) named.set('panel', place.panel)
  return `?${named}`
}
