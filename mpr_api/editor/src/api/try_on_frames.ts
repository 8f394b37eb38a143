// Trying a stage on frames: the one path whose answer is either rows or a stream, here always rows.
import type { Json } from '../settings/fields'
import { answered, api, type Schemas } from './client'

export type TrialAnswer = Schemas['TrialAnswer']

/** The stage's rows on these frames with these settings; `debug`: with pictures of how. */
export function tryOnFrames(
  timeline: string,
  stage: string,
  body: { frames: number[]; overrides: Record<string, Json>; debug: boolean },
  signal?: AbortSignal,
): Promise<TrialAnswer> {
  const asked = api.POST('/detect/timeline/{timeline}/try/{stage}', {
    params: { path: { timeline, stage } },
    body: { ...body, overrides: body.overrides as never, stream: false },
    signal,
  })
  return answered(asked as Promise<{ data?: TrialAnswer; error?: unknown; response: Response }>)
}
