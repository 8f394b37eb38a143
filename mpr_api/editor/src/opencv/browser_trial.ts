// OpenCV.js as the page uses it: in a worker that is started when a setting is dragged for the first time.
import type { Row } from '../timeline/shapes'
import type { Wish } from './wish'
import type { Answer, Question } from './worker'

export interface Found {
  rows: Row[]
  tookMs: number
}

export class BrowserTrial {
  ready = false
  private worker: Worker | null = null
  private number = 0
  private readonly waiting = new Map<number, { done: (found: Found) => void; failed: (error: Error) => void }>()

  /** Begin to load, once. */
  start(): void {
    if (this.worker) return
    this.worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'opencv' })
    this.worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => this.take(data))
    this.worker.addEventListener('error', (event) => {
      this.ready = false
      for (const { failed } of this.waiting.values()) failed(new Error(event.message))
      this.waiting.clear()
    })
  }

  /** The rows on the frame whose stored picture is at the address. Only when `ready`. */
  rows(url: string, wish: Wish): Promise<Found> {
    const question: Question = { number: ++this.number, url: new URL(url, location.href).href, wish }
    this.worker!.postMessage(question)
    return new Promise((done, failed) => this.waiting.set(question.number, { done, failed }))
  }

  close(): void {
    this.worker?.terminate()
    this.worker = null
    this.ready = false
  }

  private take(answer: Answer): void {
    if ('ready' in answer) {
      this.ready = true
      return
    }
    const asked = this.waiting.get(answer.number)
    this.waiting.delete(answer.number)
    if ('failure' in answer) asked?.failed(new Error(answer.failure))
    else asked?.done({ rows: answer.rows, tookMs: answer.tookMs })
  }
}
