// A review as it goes: which row is looked at, what is said of it, and how right the results are by what was said.
import { answered, api, type Schemas } from '../api/client'
import { page } from '../state/page.svelte'
import type { Undo } from '../state/undo.svelte'
import type { Row } from '../timeline/shapes'
import type { TimelineState } from '../timeline/state.svelte'
import { alikesOf, type Alike } from './alike'
import type { Box } from './box'
import { judgedOn, scored, type Score } from './score'
import type { Truth } from './truth'
import { following, nameOf, walked, type Filter } from './walk'

type Kept = Schemas['CorrectionsKept']
export type Correction = Schemas['CorrectionAnswer']
export type Wish = Schemas['NewCorrection']

export class Review {
  filter = $state<Filter>({ kind: 'detections', below: null, changed: null })
  selected = $state.raw<Row | null>(null)
  /** Whether a box is being drawn, for a mark that was missed. */
  drawing = $state(false)
  drawn = $state.raw<Box | null>(null)
  corrections = $state.raw<Correction[]>([])
  truth = $state.raw<Truth>({ file: null, stays: [] })
  /** Other places that look like the selected one; null: not looked for. */
  alikes = $state<Alike[] | null>(null)
  looking = $state(false)
  evaluation = $state.raw<Schemas['EvaluationAnswer'] | null>(null)
  failure = $state('')
  said = $state('')
  /** The stage from which a run has the corrections; null: none was given since the last run. */
  replayFrom = $state<string | null>(null)
  items = $derived.by(() => walked(this.timeline.rows, this.filter))
  judged = $derived.by(() => judgedOn(this.corrections, this.timeline.frames))

  constructor(
    private readonly timeline: TimelineState,
    private readonly undo: Undo,
  ) {}

  async load(): Promise<void> {
    await this.asked(async () => {
      const params = { path: { timeline: this.timeline.id } }
      this.truth = await answered(api.GET('/detect/timeline/{timeline}/truth', { params }))
      this.corrections = (await answered(api.GET('/detect/timeline/{timeline}/corrections', { params }))).corrections
      const made = this.timeline.detail?.stages.some((stage) => stage.stage === 'evaluation' && stage.state !== 'missing' && !stage.skipped)
      this.evaluation = made ? await answered(api.GET('/detect/timeline/{timeline}/evaluation', { params })) : null
    })
  }

  go(direction: 1 | -1): void {
    const row = following(this.items, this.selected, direction, this.timeline.frame?.seq ?? 0)
    if (row) this.select(row)
  }

  select(row: Row | null): void {
    this.selected = row
    this.drawn = this.alikes = null
    const mark = row ? markOf(row) : null
    if (mark !== page.place.mark) page.refine({ mark })
    if (row) this.timeline.seekSeq(Number(row.seq))
  }

  /** The stage's rows are others: the mark that the address names is looked at, where it is among them. */
  comeBack(rows: Map<number, Row[]>): void {
    this.filter.changed = null
    this.selected = null
    if (!rows.size || page.place.mark === null) return
    const seq = Number(page.place.mark.split(',')[0])
    const row = rows.get(seq)?.find((one) => markOf(one) === page.place.mark)
    if (row) this.selected = row
    else this.select(null)
  }

  /** How right the rows are by what was judged on their frames; null where nothing was. */
  scoreOf(seqs: Set<number>, rows: Row[]): Score | null {
    const judged = this.judged.filter(({ seq }) => seqs.has(seq))
    return judged.length ? scored(judged, rows) : null
  }

  /** Rows of the mark that is looked at, along its track: the same correction may fit them. */
  get similar(): Row[] {
    const row = this.selected
    if (row?.track == null) return row ? [row] : []
    return this.items.filter((other) => other.track === row.track && other.brand === row.brand)
  }

  /** Those of the places that look alike that were chosen. */
  get chosenAlikes(): Row[] {
    return (this.alikes ?? []).filter(({ chosen }) => chosen).map(({ row }) => row)
  }

  async lookForAlikes(): Promise<void> {
    const row = this.selected
    if (!row) return
    this.looking = true
    await this.asked(async () => {
      const params = { path: { timeline: this.timeline.id }, query: { seq: Number(row.seq), ...boxOf(row) } }
      const { places } = await answered(api.GET('/detect/timeline/{timeline}/look-alikes', { params }))
      if (this.selected === row) this.alikes = alikesOf(places, row, this.similar, this.timeline.rows)
    })
    this.looking = false
  }

  /** What was found as no brand, and looks like the mark that is right, is one that was missed. */
  async accept(rows: Row[]): Promise<void> {
    const brand = String(this.selected?.brand)
    await this.judge(rows, (row) => ({ action: row.brand == null ? 'add' : 'accept', brand: String(row.brand ?? brand), seq: Number(row.seq), box: boxOf(row) }))
  }

  async reject(rows: Row[]): Promise<void> {
    await this.judge(rows.filter((row) => row.brand != null), (row) => ({ action: 'reject', brand: String(row.brand), seq: Number(row.seq), box: boxOf(row) }))
  }

  /** What they really are; a candidate, which is no brand's, is a mark that was missed. */
  async relabel(rows: Row[], to: string): Promise<void> {
    await this.judge(rows, (row) =>
      row.brand == null
        ? { action: 'add', brand: to, seq: Number(row.seq), box: boxOf(row) }
        : { action: 'relabel', brand: String(row.brand), to, seq: Number(row.seq), box: boxOf(row) },
    )
  }

  async add(brand: string): Promise<void> {
    const [box, frame] = [this.drawn, this.timeline.frame]
    if (!box || !frame) return
    if (await this.give([{ action: 'add', brand, seq: frame.kept_seq ?? frame.seq, box }], `${brand} drawn`)) this.drawn = null
  }

  async merge(brand: string, start_ms: number, end_ms: number): Promise<void> {
    await this.give([{ action: 'merge', brand, start_ms, end_ms }], `exposures of ${brand} merged`)
  }

  async takeBack(one: Correction): Promise<void> {
    await this.asked(async () => {
      const kept = await this.remove([one.name])
      this.undo.did(`${one.action} of ${one.brand} deleted`, () => this.restore([], kept.gone))
    })
  }

  /** Only rows that are not as a bookmark of the stage has them. */
  async onlyChangedSince(label: string | null): Promise<void> {
    if (label === null) {
      this.filter.changed = null
      return
    }
    await this.asked(async () => {
      const query = { before: `scenario:${label}`, after: `${this.timeline.id}:${this.timeline.stage}`, limit: 20_000 }
      const { sections } = await answered(api.GET('/detect/diff', { params: { query } }))
      const rows = sections.flatMap(({ changes }) => changes.map(({ after }) => after)).filter((row) => row != null)
      this.filter.changed = new Set(rows.map((row) => nameOf(row as Row)))
    })
  }

  private async judge(rows: Row[], wishOf: (row: Row) => Partial<Wish>): Promise<void> {
    if (!rows.length) return
    const wishes = rows.map(wishOf)
    const label = `${wishes[0]!.action} of ${wishes[0]!.brand}${rows.length > 1 ? ` on ${rows.length} frames` : ''}`
    if (await this.give(wishes, label)) this.go(1)
  }

  private async give(wishes: Partial<Wish>[], label: string): Promise<boolean> {
    return this.asked(async () => {
      const kept = await this.post(wishes)
      this.said = `Kept: ${label}.`
      this.undo.did(label, () => this.restore(kept.new, kept.gone))
    })
  }

  private async restore(newNames: string[], gone: Correction[]): Promise<void> {
    if (newNames.length) await this.remove(newNames)
    if (gone.length) await this.post(gone.map(wishOf))
  }

  private async post(wishes: Partial<Wish>[]): Promise<Kept> {
    const params = { path: { timeline: this.timeline.id } }
    return await this.took(await answered(api.POST('/detect/timeline/{timeline}/corrections', { params, body: { corrections: wishes as Wish[] } })))
  }

  private async remove(names: string[]): Promise<Kept> {
    const params = { path: { timeline: this.timeline.id }, query: { name: names } }
    return await this.took(await answered(api.DELETE('/detect/timeline/{timeline}/corrections', { params })))
  }

  private async took(kept: Kept): Promise<Kept> {
    this.corrections = kept.corrections
    this.replayFrom = kept.replay_from
    await this.timeline.loadDetail()
    return kept
  }

  private async asked(ask: () => Promise<void>): Promise<boolean> {
    try {
      this.failure = this.said = ''
      await ask()
      return true
    } catch (error) {
      this.failure = (error as Error).message
      return false
    }
  }
}

/** As the address has it. */
function markOf({ seq, x, y, w, h }: Row): string {
  return [seq, x, y, w, h].join(',')
}

function boxOf(row: Row): Box {
  return { x: Number(row.x), y: Number(row.y), w: Number(row.w), h: Number(row.h) }
}

/** The wish that gives a correction again. */
function wishOf({ action, brand, to, start_ms, end_ms, seq, box, note, reference_url }: Correction): Partial<Wish> {
  return { action, brand, to, start_ms, end_ms, seq, box, note, reference: reference_url !== null }
}
