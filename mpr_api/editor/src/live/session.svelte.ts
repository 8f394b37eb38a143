// What is known of a live session: told by the API's events, resumed by the browser where the connection was lost.
import { answered, api, type Schemas } from '../api/client'
import type { LiveResult, LiveWindow } from './sync'

export type Report = Schemas['SessionReport']
export interface StreamEvent {
  session: string
  status: string
  reason: string
  windows: number
  analysed: number
  recorded_ms: number
  lag_ms: number
  happened: string[]
}

const REPORT_EVERY_MS = 3000
const AGAIN_MS = 5000
const LAGS = 20

export class LiveState {
  info = $state.raw<Schemas['LiveAnswer'] | null>(null)
  stream = $state.raw<StreamEvent | null>(null)
  report = $state.raw<Report | null>(null)
  /** By number. Maps are replaced, so that what depends on them follows. */
  windows = $state.raw<ReadonlyMap<number, LiveWindow>>(new Map())
  results = $state.raw<ReadonlyMap<number, LiveResult>>(new Map())
  failure = $state('')
  connected = $state(false)
  over = $state(false)
  /** When the last window came: its end is where the stream was then. */
  private edge: { endMs: number; atMs: number } | null = null
  private source: EventSource | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private reportDue = 0

  constructor(readonly name: string) {}

  get lagsMs(): number[] {
    return [...this.results.values()].slice(-LAGS).map((each) => each.lag_ms)
  }

  /** Where the stream is now, in its own time; of one that has ended, its end. */
  nowMs(): number {
    if (!this.edge) return 0
    return this.edge.endMs + (this.over ? 0 : performance.now() - this.edge.atMs)
  }

  /** How long ago the stream was at the end of the newest window. */
  sinceEdgeMs(): number {
    return this.edge ? this.nowMs() - this.edge.endMs : 0
  }

  async open(): Promise<void> {
    try {
      const path = { path: { session: this.name } }
      this.info = await answered(api.GET('/detect/live/{session}', { params: path }))
      this.over = !['starting', 'active', 'stopping'].includes(this.info.status)
      this.failure = ''
      this.listen()
      if (this.info.analysed) void this.readReport()
    } catch (error) {
      this.failure = (error as Error).message
      this.timer = setTimeout(() => void this.open(), AGAIN_MS)
    }
  }

  close(): void {
    clearTimeout(this.timer)
    this.source?.close()
    this.source = null
  }

  async stop(): Promise<void> {
    try {
      await answered(api.POST('/detect/live/{session}/stop', { params: { path: { session: this.name } } }))
    } catch (error) {
      this.failure = (error as Error).message
    }
  }

  private listen(): void {
    // Of a session that has ended all is told: its whole recording can be played.
    const source = new EventSource(`/detect/live/${encodeURIComponent(this.name)}/events${this.over ? '?start=0' : ''}`)
    this.source = source
    const on = <T>(name: string, take: (data: T) => void) =>
      source.addEventListener(name, (event) => take(JSON.parse((event as MessageEvent<string>).data) as T))
    source.addEventListener('open', () => (this.connected = true))
    source.addEventListener('error', () => {
      this.connected = false
      if (source.readyState === EventSource.CLOSED && this.source === source) this.timer = setTimeout(() => void this.open(), AGAIN_MS)
    })
    on<LiveWindow>('segment', (window) => {
      this.windows = new Map([...this.windows, [window.number, window]])
      const sinceMs = Math.max(0, Date.now() - window.closed_at_ms)
      if (!this.edge || window.end_ms > this.edge.endMs) {
        // A window that was told late was closed earlier; clocks of other machines are not trusted beyond a window.
        const lateMs = this.edge === null && sinceMs < window.end_ms - window.start_ms ? sinceMs : 0
        this.edge = { endMs: window.end_ms, atMs: performance.now() - lateMs }
      }
    })
    on<LiveResult>('detection', (result) => {
      this.results = new Map([...this.results, [result.number, result]])
      this.askForReport()
    })
    on<StreamEvent>('stream', (stream) => (this.stream = stream))
    on<{ status: string }>('end', () => {
      this.over = true
      this.connected = false
      this.close()
      void this.readReport()
    })
  }

  private askForReport(): void {
    if (this.reportDue) return
    this.reportDue = window.setTimeout(() => {
      this.reportDue = 0
      void this.readReport()
    }, REPORT_EVERY_MS)
  }

  private async readReport(): Promise<void> {
    const { data } = await api.GET('/detect/live/{session}/report', { params: { path: { session: this.name } } }).catch(() => ({ data: undefined }))
    if (data) this.report = data
  }
}
