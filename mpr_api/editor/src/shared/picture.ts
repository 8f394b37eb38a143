// Figures of what a picture looks like, as they are shown.

/** Red, green, blue, 0 to 255, as CSS has it. */
export function colourCss(rgb: readonly number[]): string {
  return `#${rgb.map((value) => value.toString(16).padStart(2, '0')).join('')}`
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
