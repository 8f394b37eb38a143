// Trying a stage's settings on the frame in view: the latest value wins, late answers are dropped.
import { answered, api, type Schemas } from '../api/client'
import type { Json } from '../settings/fields'

type Answer = Schemas['TrialAnswer']

export class Trial {
  answer = $state.raw<Answer | null>(null)
  failure = $state('')
  busy = $state(false)
  private running: AbortController | null = null
  private next: (() => void) | null = null

  /** Try these settings on a frame, `debug`: with pictures of how. While one try runs, only the newest wish waits. */
  run(timeline: string, stage: string, frame: number, overrides: Record<string, Json>, debug: boolean): void {
    const start = () => void this.ask(timeline, stage, frame, overrides, debug)
    if (this.running) this.next = start
    else start()
  }

  private async ask(timeline: string, stage: string, frame: number, overrides: Record<string, Json>, debug: boolean): Promise<void> {
    const control = new AbortController()
    this.running = control
    this.busy = true
    try {
      const answer = await answered(
        api.POST('/detect/timeline/{timeline}/try/{stage}', {
          params: { path: { timeline, stage } },
          body: { frames: [frame], overrides: overrides as never, debug },
          signal: control.signal,
        }),
      )
      if (this.running === control) [this.answer, this.failure] = [answer, '']
    } catch (error) {
      if (this.running === control && !control.signal.aborted) this.failure = (error as Error).message
    }
    if (this.running !== control) return
    this.running = null
    const next = this.next
    this.next = null
    if (next) next()
    else this.busy = false
  }

  /** Nothing is tried any more; what is under way is forgotten. */
  clear(): void {
    this.running?.abort()
    this.running = this.next = null
    this.answer = null
    this.failure = ''
    this.busy = false
  }
}

/** The picture that the API sends as PNG in base64. */
export function bitmapOf(base64: string): Promise<ImageBitmap> {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  return createImageBitmap(new Blob([bytes], { type: 'image/png' }))
}
