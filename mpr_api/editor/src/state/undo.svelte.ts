// What can be taken back, the last first: corrections, saved profiles, settings.

interface Step {
  /** What was done. */
  label: string
  back: () => Promise<void> | void
}

const MOST = 100

export class Undo {
  private steps = $state.raw<Step[]>([])
  said = $state('')

  get label(): string | null {
    return this.steps.at(-1)?.label ?? null
  }

  did(label: string, back: Step['back']): void {
    this.steps = [...this.steps.slice(1 - MOST), { label, back }]
    this.said = ''
  }

  /** Takes the last step back; it stays where that fails. */
  async back(): Promise<void> {
    const last = this.steps.at(-1)
    if (!last) return
    this.steps = this.steps.slice(0, -1)
    try {
      await last.back()
      this.said = `Taken back: ${last.label}.`
    } catch (error) {
      this.steps = [...this.steps, last]
      this.said = (error as Error).message
    }
  }
}
