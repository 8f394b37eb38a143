// What the timeline view knows: the timeline, its frames, the tables of stages as they are looked at, and the head.
import { allRows, answered, api, whereMade, type Schemas } from '../api/client'
import { page } from '../state/page.svelte'
import { isOn } from './placements'
import type { Row } from './shapes'

export type Frame = Schemas['FrameRow']
export type Exposure = Schemas['ExposureRow']

/** A brand that is said. */
export interface Mention {
  brand: string
  start_ms: number
  end_ms: number
  text: string
}

/** What a kept frame looks like, as `visual_properties` has it; colours are red, green, blue, 0 to 255. */
export interface Look {
  seq: number
  colours: number[][]
  shares: number[]
  brightness: number
  contrast: number
  saturation: number
}

/** What moves in a kept frame, as `motion` has it; null: it cannot be told, as of the first frame of a shot. */
export interface Moved {
  seq: number
  moving_share: number | null
  right_px: number | null
  down_px: number | null
}

export const FIRST_STAGE = 'match_brands'
const MOST_ROWS = 20_000

export class TimelineState {
  detail = $state.raw<Schemas['TimelineDetail'] | null>(null)
  frames = $state.raw<Frame[]>([])
  version = $state('')
  stages = $state.raw<Schemas['StageSchema'][]>([])
  exposures = $state.raw<Exposure[]>([])
  mentions = $state.raw<Mention[]>([])
  /** By `seq` of the kept frame; empty where the stages are off. */
  looks = $state.raw<Map<number, Look>>(new Map())
  moves = $state.raw<Map<number, Moved>>(new Map())
  /** How many boxes of objects there are by label; what is of one label, or of all, is loaded when it is to be drawn. */
  objectLabels = $state.raw<Record<string, number>>({})
  private objects = $state.raw<Map<number, Row[]>>(new Map())
  /** Rows of the stage in view, by `seq`. */
  rows = $state.raw<Map<number, Row[]>>(new Map())
  rowsOf = $state('')
  private loadFailure = $state('')
  private rowsFailure = $state('')
  durationMs = $state(0)
  head = $state(0)
  private wanted = ''
  private objectsLoaded = false
  private fields = new Map<number, Promise<[number, number][]>>()

  constructor(readonly id: string) {}

  /** Brands that are said while the frame at the head is on screen. */
  get mentionsHere(): Mention[] {
    const [from, to] = [this.frame?.timeline_ms ?? 0, this.frames[this.head + 1]?.timeline_ms ?? this.durationMs]
    return this.mentions.filter((mention) => mention.start_ms < to && mention.end_ms > from)
  }

  get lookHere(): Look | undefined {
    return this.frame && this.looks.get(this.frame.kept_seq ?? this.frame.seq)
  }

  get movedHere(): Moved | undefined {
    return this.frame && this.moves.get(this.frame.kept_seq ?? this.frame.seq)
  }

  /** Exposures on what is chosen. */
  get exposuresShown(): Exposure[] {
    const on = page.place.on
    return on === null ? this.exposures : this.exposures.filter((each) => isOn(each, on))
  }

  /** Objects that are drawn over the frame at the head. */
  get objectsHere(): Row[] {
    const label = page.place.objects
    const frame = this.frame
    if (label === null || !frame) return []
    const here = this.objects.get(frame.kept_seq ?? frame.seq) ?? []
    return label === '' ? here : here.filter((row) => row.label === label)
  }

  get frame(): Frame | undefined {
    return this.frames[this.head]
  }

  get stage(): string {
    return page.place.stage ?? FIRST_STAGE
  }

  get failure(): string {
    return this.loadFailure || this.rowsFailure
  }

  /** Rows for the frame at the head: of the kept frame that stands for it. */
  get rowsHere(): Row[] {
    const frame = this.frame
    if (!frame) return []
    return this.rows.get(frame.kept_seq ?? frame.seq) ?? []
  }

  /** All side by side: to judge what is stale takes longest, and nothing else waits for it. */
  async load(): Promise<void> {
    this.fields = new Map()
    try {
      await Promise.all([
        this.loadDetail(),
        answered(api.GET('/detect/config/stages')).then((stages) => (this.stages = stages)),
        this.loadFrames(),
        this.loadExposures(),
        this.loadMentions(),
        this.loadPicture(),
        this.loadObjects(),
        this.loadRows(this.stage),
      ])
      this.loadFailure = ''
    } catch (error) {
      this.loadFailure = (error as Error).message
    }
  }

  /** The states of the stages alone, as after a change of what they depend on. */
  async loadDetail(): Promise<void> {
    this.detail = await answered(api.GET('/detect/timeline/{timeline}', { params: { path: { timeline: this.id } } }))
  }

  private async loadFrames(): Promise<void> {
    const made = await whereMade(
      allRows((cursor) =>
        answered(api.GET('/detect/timeline/{timeline}/frames', { params: { path: { timeline: this.id }, query: { cursor } } })),
      ),
    )
    this.frames = made?.rows ?? []
    this.version = made?.first.version ?? ''
    this.durationMs = made?.first.duration_ms ?? 0
    const wanted = page.place.frame
    if (wanted !== null) this.head = Math.max(0, this.frames.findIndex((frame) => frame.seq === wanted))
  }

  private async loadExposures(): Promise<void> {
    const made = await whereMade(
      allRows((cursor) =>
        answered(
          api.GET('/detect/timeline/{timeline}/exposures', {
            params: { path: { timeline: this.id }, query: { cursor, limit: MOST_ROWS } },
          }),
        ),
      ),
    )
    this.exposures = made?.rows ?? []
  }

  private async loadMentions(): Promise<void> {
    const made = await whereMade(allRows((cursor) => this.table('match_speech', cursor)))
    this.mentions = (made?.rows ?? []) as unknown as Mention[]
  }

  private async loadPicture(): Promise<void> {
    const [looks, moves] = await Promise.all(
      ['visual_properties', 'motion'].map((stage) => whereMade(allRows((cursor) => this.table(stage, cursor)))),
    )
    this.looks = new Map(((looks?.rows ?? []) as unknown as Look[]).map((row) => [row.seq, row]))
    this.moves = new Map(((moves?.rows ?? []) as unknown as Moved[]).map((row) => [row.seq, row]))
  }

  private async loadObjects(): Promise<void> {
    this.objectsLoaded = false
    const made = await whereMade(this.objectPage(undefined, 1))
    this.objectLabels = made?.labels ?? {}
    this.objects = new Map()
    if (page.place.objects !== null) await this.loadObjectRows()
  }

  private objectPage(cursor: string | undefined, limit: number) {
    const params = { path: { timeline: this.id }, query: { cursor, limit } }
    return answered(api.GET('/detect/timeline/{timeline}/objects', { params }))
  }

  private async loadObjectRows(): Promise<void> {
    if (this.objectsLoaded) return
    this.objectsLoaded = true
    try {
      const made = await whereMade(allRows((cursor) => this.objectPage(cursor, MOST_ROWS)))
      this.objects = Map.groupBy((made?.rows ?? []) as unknown as Row[], (row) => row.seq as number)
    } catch (error) {
      this.objectsLoaded = false
      this.loadFailure = (error as Error).message
    }
  }

  /** Draw the objects of a label, of all where it is empty; null: none. */
  showObjects(label: string | null): void {
    page.refine({ objects: label })
    if (label !== null) void this.loadObjectRows()
  }

  private table(stage: string, cursor: string | undefined) {
    const params = { path: { timeline: this.id, stage }, query: { cursor, limit: MOST_ROWS } }
    return answered(api.GET('/detect/timeline/{timeline}/tables/{stage}', { params }))
  }

  /** The stage's table; an answer for a stage that is no longer in view is dropped. */
  async loadRows(stage: string): Promise<void> {
    this.wanted = stage
    try {
      const { rows } = await allRows((cursor) => this.table(stage, cursor))
      if (this.wanted !== stage) return
      const bySeq = new Map<number, Row[]>()
      for (const row of rows as Row[]) {
        if (typeof row.seq !== 'number') continue
        const those = bySeq.get(row.seq)
        if (those) those.push(row)
        else bySeq.set(row.seq, [row])
      }
      this.rows = bySeq
      this.rowsFailure = ''
    } catch (error) {
      if (this.wanted !== stage) return
      this.rows = new Map()
      this.rowsFailure = (error as Error).message
    }
    this.rowsOf = stage
  }

  urlAt(at: number, widthPx: number): string {
    const frame = this.frames[at]!
    const width = widthPx < frame.width_px ? `&width=${widthPx}` : ''
    return `/detect/frames/${encodeURIComponent(this.id)}/${frame.seq}.jpg?v=${this.version}${width}`
  }

  /** The field's stored polygon in a kept frame; asked for once. */
  fieldOf(frame: Frame): Promise<[number, number][]> {
    let asked = this.fields.get(frame.seq)
    if (!asked) {
      const query = { start_ms: frame.timeline_ms, end_ms: frame.timeline_ms + 1 }
      const params = { path: { timeline: this.id, stage: 'field_segmentation' }, query }
      asked = answered(api.GET('/detect/timeline/{timeline}/tables/{stage}', { params })).then(
        ({ rows }) => ((rows as Row[])[0]?.polygon ?? []) as [number, number][],
      )
      this.fields.set(frame.seq, asked)
    }
    return asked
  }

  seek(at: number): void {
    if (!this.frames.length) return
    this.head = Math.min(this.frames.length - 1, Math.max(0, Math.round(at)))
    page.refine({ frame: this.frames[this.head]!.seq })
  }

  seekSeq(seq: number): void {
    const at = this.frames.findIndex((frame) => frame.seq === seq)
    if (at >= 0) this.seek(at)
  }

  /** The frame that is on screen at that time. */
  seekMs(ms: number): void {
    let [low, high] = [0, this.frames.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.frames[middle]!.timeline_ms <= ms) low = middle
      else high = middle - 1
    }
    this.seek(low)
  }

  /** The next frame, or the one before, that has rows of the stage in view. */
  seekRows(direction: 1 | -1): void {
    for (let at = this.head + direction; at >= 0 && at < this.frames.length; at += direction) {
      if (this.rows.has(this.frames[at]!.seq)) return this.seek(at)
    }
  }

  choose(stage: string): void {
    page.refine({ stage })
    void this.loadRows(stage)
  }
}
