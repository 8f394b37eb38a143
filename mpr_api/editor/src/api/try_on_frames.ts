// Trying a stage on frames: the one path whose answer is either rows or a stream, here always rows.
import type { Json } from '../settings/fields'
import { answered, api, type Schemas } from './client'

export type TrialAnswer = Schemas['TrialAnswer']

/** This page among those that ask: the API answers the newest of what one of its parts asks, and gives up the older. */
const PAGE = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join('')

/** The stage's rows on these frames with these settings; `debug`: with pictures of how. `part`: of the page, which asks. */
export function tryOnFrames(
  part: 'trial' | 'scores' | 'whole',
  timeline: string,
  stage: string,
  body: { frames: number[]; overrides: Record<string, Json>; debug: boolean },
  signal?: AbortSignal,
): Promise<TrialAnswer> {
  const asked = api.POST('/detect/timeline/{timeline}/try/{stage}', {
    params: { path: { timeline, stage }, header: { 'mpr-client': `${PAGE} ${part}` } },
    body: { ...body, overrides: body.overrides as never, stream: false },
    signal,
  })
  return answered(asked as Promise<{ data?: TrialAnswer; error?: unknown; response: Response }>)
}
