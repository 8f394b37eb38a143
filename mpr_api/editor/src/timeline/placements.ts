// What exposures are on: how they are chosen by it. A choice is a placement, or `object:` and the label of an object.
import type { Exposure } from './state.svelte'

type Placed = Pick<Exposure, 'placement' | 'placement_object'>

const OBJECT = 'object:'

export function isOn(exposure: Placed, choice: string): boolean {
  return choice.startsWith(OBJECT) ? exposure.placement_object === choice.slice(OBJECT.length) : exposure.placement === choice
}

/** What can be chosen, each with its words: placements, then objects. */
export function choices(exposures: Placed[]): [string, string][] {
  const sorted = (names: string[]) => [...new Set(names)].filter(Boolean).sort((a, b) => a.localeCompare(b))
  return [
    ...sorted(exposures.map((each) => each.placement)).map((name): [string, string] => [name, name]),
    ...sorted(exposures.map((each) => each.placement_object)).map((label): [string, string] => [OBJECT + label, `an object: ${label}`]),
  ]
}
