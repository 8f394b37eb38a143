// Trying a stage's settings on the frame in view: the latest value wins, late answers are dropped.
import { ASK_AGAIN_MS, isAway } from '../api/client'
import { tryOnFrames, type TrialAnswer } from '../api/try_on_frames'
import { BrowserTrial } from '../opencv/browser_trial'
import { runsHere } from '../opencv/wish'
import type { Json } from '../settings/fields'
import { compare } from './compare'

export interface Wish {
  timeline: string
  stage: string
  seq: number
  overrides: Record<string, Json>
  /** Whether pictures of how the stage works are wanted. */
  debug: boolean
  /** While a slider is dragged: what the browser needs to do it itself. */
  here: Here | null
}

export interface Here {
  /** Of the frame as it is stored. */
  url: string
  /** All settings of the stage. */
  settings: Record<string, Json>
  /** The field's polygon in the frame. */
  field: () => Promise<[number, number][]>
}

/** What has been tried for longer gives way to a newer wish; before, it ends, as one would see nothing while one drags. */
const LET_END_MS = 1000

export class Trial {
  answer = $state.raw<TrialAnswer | null>(null)
  failure = $state('')
  busy = $state(false)
  by = $state<'browser' | 'server'>('server')
  /** How often the server was asked what the browser had found, how often it found otherwise, and boxes of the last time. */
  checks = $state.raw({ made: 0, otherwise: 0, boxes: 0 })
  private running: AbortController | null = null
  private beganMs = 0
  private again: ReturnType<typeof setTimeout> | undefined
  private next: Wish | null = null
  private readonly browser = new BrowserTrial()
  private foundHere: { wish: string; rows: TrialAnswer['rows'] } | null = null

  /** While one try runs, only the newest wish waits. */
  run(wish: Wish): void {
    if (wish.here && runsHere(wish.stage, wish.here.settings)) this.browser.start()
    if (this.running && performance.now() - this.beganMs < LET_END_MS) this.next = wish
    else void this.ask(wish)
  }

  private async ask(wish: Wish): Promise<void> {
    clearTimeout(this.again)
    this.running?.abort()
    const control = new AbortController()
    this.running = control
    this.beganMs = performance.now()
    this.next = null
    this.busy = true
    try {
      const here = wish.here && this.browser.ready ? await this.askBrowser(wish, wish.here) : null
      const answer = here ?? (await this.askServer(wish, control.signal))
      if (this.running === control) {
        ;[this.answer, this.failure, this.by] = [answer, '', here ? 'browser' : 'server']
        if (here) this.foundHere = { wish: named(wish), rows: answer.rows }
        else this.check(wish, answer)
      }
    } catch (error) {
      if (this.running === control && !control.signal.aborted) this.failed(error as Error, wish)
    }
    if (this.running !== control) return
    this.running = null
    const next = this.next
    this.next = null
    if (next) void this.ask(next)
    else this.busy = false
  }

  private failed(error: Error, wish: Wish): void {
    this.failure = error.message
    if (isAway(error)) this.again = setTimeout(() => void this.ask(wish), ASK_AGAIN_MS)
  }

  private askServer({ timeline, stage, seq, overrides, debug }: Wish, signal: AbortSignal): Promise<TrialAnswer> {
    return tryOnFrames('trial', timeline, stage, { frames: [seq], overrides, debug }, signal)
  }

  /** Null where the browser cannot: the server is asked then. */
  private async askBrowser(wish: Wish, here: Here): Promise<TrialAnswer | null> {
    const { timeline, stage, seq, overrides } = wish
    if (!runsHere(stage, here.settings)) return null
    try {
      const field = stage === 'detect_edges' ? await here.field() : []
      const { rows, tookMs } = await this.browser.rows(here.url, { stage, seq, settings: here.settings, field })
      const without_effect = this.answer?.without_effect ?? {}
      return { timeline, stage, frames: [seq], settings: here.settings, overrides, without_effect, rows, counts: {}, overlays: {}, took_ms: tookMs } as TrialAnswer
    } catch (error) {
      console.warn('OpenCV.js:', (error as Error).message)
      return null
    }
  }

  /** Compares with what the browser found of the same wish. */
  private check(wish: Wish, answer: TrialAnswer): void {
    if (this.foundHere?.wish !== named(wish)) return
    const { gained, lost, changed } = compare(this.foundHere.rows, answer.rows)
    const boxes = gained.length + lost.length + changed.length
    this.checks = { made: this.checks.made + 1, otherwise: this.checks.otherwise + (boxes ? 1 : 0), boxes }
    this.foundHere = null
  }

  /** Nothing is tried any more; what is under way is forgotten. */
  clear(): void {
    clearTimeout(this.again)
    this.running?.abort()
    this.running = this.next = this.foundHere = null
    this.answer = null
    this.failure = ''
    this.busy = false
  }

  close(): void {
    this.clear()
    this.browser.close()
  }
}

function named({ timeline, stage, seq, overrides }: Wish): string {
  return JSON.stringify([timeline, stage, seq, overrides])
}

/** The picture that the API sends as PNG in base64. */
export function bitmapOf(base64: string): Promise<ImageBitmap> {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  return createImageBitmap(new Blob([bytes], { type: 'image/png' }))
}
