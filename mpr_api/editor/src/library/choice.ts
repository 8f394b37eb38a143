// Which timelines the library shows, and in which order.
import type { Schemas } from '../api/client'

type Card = Schemas['TimelineCard']
export type Order = 'name' | 'duration' | 'brands' | 'state'
export const ORDERS: [Order, string][] = [
  ['name', 'name'],
  ['duration', 'length'],
  ['brands', 'time of brands'],
  ['state', 'what needs a run'],
]

/** Stages that a run would make anew. */
export function unfinished(card: Card): number {
  return card.stages.filter((stage) => stage.state === 'stale' || stage.state === 'missing').length
}

export function screenMs(card: Card): number {
  return card.brands.reduce((sum, brand) => sum + brand.screen_ms, 0)
}

const KEYS: Record<Exclude<Order, 'name'>, (card: Card) => number> = {
  duration: (card) => card.duration_ms ?? 0,
  brands: screenMs,
  state: unfinished,
}

/** Those that have every word of the search in their name, profile or brands. Equal ones by name. */
export function chosen(cards: Card[], search: string, order: Order): Card[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const named = (card: Card) => [card.id, card.profile ?? '', ...card.brands.map((brand) => brand.brand)].join('\n').toLowerCase()
  const found = cards.filter((card) => words.every((word) => named(card).includes(word)))
  const key = order === 'name' ? () => 0 : KEYS[order]
  return found.sort((a, b) => key(b) - key(a) || a.id.localeCompare(b.id, undefined, { numeric: true }))
}
