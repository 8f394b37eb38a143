// The timeline's run: started, told of as it goes, stopped and held. What is told comes from Dagster by the API's events.
import { answered, api, type Schemas } from '../api/client'
import type { Json } from '../settings/fields'

type Job = Schemas['JobStatus']
export interface Progress {
  stage: string | null
  done: number
  total: number
  unit: string
  left_ms: number | null
}

const ENDED = new Set(['success', 'failure', 'canceled', 'paused'])

export class Runs {
  job = $state.raw<Job | null>(null)
  status = $state('')
  progress = $state.raw<Progress | null>(null)
  /** Stages of the run and what became of them. */
  stages = $state<Record<string, string>>({})
  failure = $state('')
  note = $state('')
  private source: EventSource | null = null

  /** `ended`: called when a run has ended, however. */
  constructor(
    private readonly timeline: string,
    private readonly ended: () => void,
  ) {}

  get active(): boolean {
    return this.job !== null && !ENDED.has(this.status)
  }

  /** Look for a run of the timeline that is under way, and follow it. */
  async look(): Promise<void> {
    await this.asked(async () => {
      const { jobs } = await answered(api.GET('/detect/jobs', { params: { query: { timeline: this.timeline, limit: 1 } } }))
      if (jobs[0] && !ENDED.has(jobs[0].status)) await this.follow(jobs[0].id)
    })
  }

  /** Materialize a stage and all that depend on it; without a stage all. */
  async start(stage: string | null, overrides: Record<string, Json>): Promise<void> {
    await this.asked(async () => {
      const body = {
        timeline_id: this.timeline,
        start_stage: stage,
        config_overrides: stage && Object.keys(overrides).length ? { [stage]: overrides } : {},
        frames: {},
      }
      const queued = await answered(api.POST('/detect/run', { body: body as never }))
      this.note = queued.note ?? ''
      await this.follow(queued.job_id)
    })
  }

  /** The first stage that is missing or stale, alone. */
  async step(): Promise<void> {
    await this.asked(async () => {
      const { job_id } = await answered(api.POST('/detect/step/{job}', { params: { path: { job: this.timeline } } }))
      if (job_id) await this.follow(job_id)
      else this.note = 'All stages are up to date.'
    })
  }

  /** What the last run left, with other settings of the stage that failed where some are given. */
  async retry(overrides: Record<string, Json>): Promise<void> {
    await this.asked(async () => {
      const body = { job_id: this.job?.id ?? this.timeline, config_overrides: overrides }
      const queued = await answered(api.POST('/detect/retry', { body: body as never }))
      this.note = queued.note ?? ''
      await this.follow(queued.job_id)
    })
  }

  async control(action: 'stop' | 'pause' | 'resume' | 'pause-after-stage'): Promise<void> {
    await this.asked(async () => {
      const path = { params: { path: { job: this.timeline } } }
      if (action === 'stop') await answered(api.POST('/detect/stop/{job}', path))
      else if (action === 'pause') await answered(api.POST('/detect/pause/{job}', path))
      else if (action === 'resume') await answered(api.POST('/detect/resume/{job}', path))
      else await answered(api.POST('/detect/pause-after-stage/{job}', path))
      if (action === 'resume') await this.look()
    })
  }

  close(): void {
    this.source?.close()
    this.source = null
  }

  private async asked(ask: () => Promise<void>): Promise<void> {
    try {
      this.failure = ''
      await ask()
    } catch (error) {
      this.failure = (error as Error).message
    }
  }

  private async follow(job: string): Promise<void> {
    this.close()
    this.job = await answered(api.GET('/detect/jobs/{job}', { params: { path: { job } } }))
    this.status = this.job.status
    this.stages = Object.fromEntries(this.job.stage_states.map((stage) => [stage.stage, stage.status]))
    this.progress = null
    const source = new EventSource(`/detect/stream/${encodeURIComponent(job)}`)
    this.source = source
    const on = <T>(name: string, take: (data: T) => void) =>
      source.addEventListener(name, (event) => take(JSON.parse((event as MessageEvent<string>).data) as T))
    on<{ status: string }>('run', (data) => (this.status = data.status))
    on<{ stage: string; status: string }>('stage', (data) => (this.stages = { ...this.stages, [data.stage]: data.status }))
    on<Progress>('progress', (data) => (this.progress = data))
    on<{ status: string; error: string | null }>('end', (data) => {
      this.status = data.status
      this.failure = data.error ?? ''
      this.progress = null
      this.note = ''
      this.close()
      this.ended()
    })
  }
}
