// Times as people read them.

/** `1:02:03.040`, without the hour where there is none. */
export function clock(ms: number): string {
  const whole = Math.max(0, Math.round(ms))
  const [hours, minutes, seconds] = [Math.floor(whole / 3_600_000), Math.floor(whole / 60_000) % 60, Math.floor(whole / 1000) % 60]
  const rest = `${String(seconds).padStart(2, '0')}.${String(whole % 1000).padStart(3, '0')}`
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`
}

/** A length at a glance: `8.4 s`, `12 min`, `1 h 5 min`. */
export function length(ms: number): string {
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.round(ms / 60_000)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Distances of marks on a ruler, in ms, of which the smallest that leaves `most` marks is taken. */
const STEPS_MS = [100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 3_600_000, 7_200_000]

export function rulerStepMs(spanMs: number, most: number): number {
  return STEPS_MS.find((step) => spanMs / step <= most) ?? 21_600_000
}
