// A colour for each brand, the same wherever it is shown.

const GOLDEN_ANGLE_DEG = 137.508

/** Colours far apart in hue for neighbours in the list. For names and marks on the page's ground, in both schemes. */
export function colourOf(index: number): string {
  const hue = (250 + index * GOLDEN_ANGLE_DEG) % 360
  const lightness = [0.66, 0.74, 0.58][index % 3]
  return `oklch(${lightness} 0.15 ${hue.toFixed(1)})`
}
