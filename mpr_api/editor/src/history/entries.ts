// The history of stages in words, and as a tree.
import type { Schemas } from '../api/client'

type Entry = Pick<Schemas['ShownEntry'], 'reference' | 'below' | 'number' | 'changed' | 'counts' | 'note'>

/** How deep in the tree each entry is; 0 where nothing of it is in the list. */
export function depths(entries: Entry[]): number[] {
  const known = new Map<string, number>()
  return entries.map((entry) => {
    const above = entry.below == null ? undefined : known.get(entry.below)
    const depth = above === undefined ? 0 : above + 1
    known.set(entry.reference, depth)
    return depth
  })
}

/** What is new about it and what it gave, or why it gave nothing. */
export function wordsOf(entry: Entry): string {
  const changed = entry.changed.map(({ setting, was, now }) => `${setting} ${JSON.stringify(was)} → ${JSON.stringify(now)}`)
  const counts = Object.entries(entry.counts).slice(0, 2).map(([name, count]) => `${count.toLocaleString('en')} ${name.replaceAll('_', ' ')}`)
  return [entry.note, changed.join(', '), counts.join(', ')].filter(Boolean).join('; ')
}
