// Trying a stage's settings on all kept frames, some at a time: how far it is, and which frames come out otherwise.
import { tryOnFrames } from '../api/try_on_frames'
import type { Json } from '../settings/fields'
import { compare } from './compare'
import type { Row } from './shapes'

/** Frames at once: as many as take about so long, so that it can be broken off. */
const FIRST = 8
const MOST = 256
const QUICK_MS = 500

export interface Differing {
  seq: number
  gained: number
  lost: number
  changed: number
}

export class WholeTrial {
  done = $state(0)
  total = $state(0)
  running = $state(false)
  /** Frames that come out otherwise, in order; null: not all were tried. */
  differing = $state.raw<Differing[] | null>(null)
  failure = $state('')
  private control: AbortController | null = null

  /** `seqs`: of the kept frames; `stored`: the stage's rows by frame. */
  async run(timeline: string, stage: string, seqs: number[], overrides: Record<string, Json>, stored: Map<number, Row[]>): Promise<void> {
    this.stop()
    const control = (this.control = new AbortController())
    ;[this.running, this.done, this.total, this.failure] = [true, 0, seqs.length, '']
    const found: Differing[] = []
    try {
      for (let size = FIRST; this.done < seqs.length; ) {
        const frames = seqs.slice(this.done, this.done + size)
        const began = performance.now()
        const { rows } = await tryOnFrames('whole', timeline, stage, { frames, overrides, debug: false }, control.signal)
        const bySeq = Map.groupBy(rows as Row[], (row) => row.seq as number)
        for (const seq of frames) {
          const { gained, lost, changed } = compare(stored.get(seq) ?? [], bySeq.get(seq) ?? [])
          if (gained.length + lost.length + changed.length) found.push({ seq, gained: gained.length, lost: lost.length, changed: changed.length })
        }
        this.done += frames.length
        if (performance.now() - began < QUICK_MS) size = Math.min(MOST, 2 * size)
      }
      this.differing = found
    } catch (error) {
      if (control.signal.aborted) return
      this.failure = (error as Error).message
    }
    this.running = false
  }

  /** Nothing is tried any more, and what was is forgotten. */
  stop(): void {
    this.control?.abort()
    this.control = null
    this.running = false
    this.differing = null
    this.failure = ''
  }
}
