// The keys that this browser's user has changed.

const PLACE = 'mpr-keys'

/** By the key of the list; empty where nothing, or nothing readable, is kept. */
export function ownKeys(): Record<string, string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PLACE) ?? '{}')
    const pairs = Object.entries(kept as object).filter(([, key]) => typeof key === 'string')
    return Object.fromEntries(pairs) as Record<string, string>
  } catch {
    return {}
  }
}

export function keepKeys(keys: Record<string, string>): void {
  localStorage.setItem(PLACE, JSON.stringify(keys))
}
