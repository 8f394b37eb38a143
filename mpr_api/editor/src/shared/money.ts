// Money in words.

/** `micro_usd` of the API, 1 000 000 are one dollar: to the cent, or to two digits where it is less. */
export function dollars(microUsd: number): string {
  const usd = microUsd / 1e6
  if (usd === 0) return '$0.00'
  return usd >= 0.1 ? `$${usd.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}` : `$${usd.toLocaleString('en', { maximumSignificantDigits: 2, maximumFractionDigits: 20 })}`
}
