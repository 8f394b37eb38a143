// The API with its types. What one part of the page asks is in that part.
import createClient from 'openapi-fetch'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export const api = createClient<paths>({ baseUrl: window.location.origin })

/** What the API says no with: its sentence, and the status. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message)
  }
}

/** Until a server that does not answer is asked again. */
export const ASK_AGAIN_MS = 1000

/** Whether nothing answered. */
export function isAway(error: unknown): boolean {
  return error instanceof ApiError && error.status === 0
}

type Answer<T> = { data?: T; error?: unknown; response: Response }

/** An answer's data. Throws ApiError with the API's sentence, status 0 where nothing answers. */
export async function answered<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await asked
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError('The server does not answer. Is `mpr serve` still running?', 0)
  }
  if (answer.response.ok) return answer.data as T
  const sentence = (answer.error as { error?: string } | undefined)?.error
  throw new ApiError(sentence ?? `The server answered ${answer.response.status}.`, answer.response.status)
}

/** What was asked for; null where it was not made yet. */
export async function whereMade<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null
    throw error
  }
}

interface Page<R> {
  rows: R[]
  next_cursor: string | null
}

/** All rows of a paged list. Begins again where the result was made anew in between. */
export async function allRows<P extends Page<unknown>>(
  ask: (cursor: string | undefined) => Promise<P>,
): Promise<{ rows: P['rows']; first: P }> {
  for (let attempt = 0; ; attempt++) {
    try {
      const first = await ask(undefined)
      const rows: P['rows'] = [...first.rows]
      let cursor = first.next_cursor
      while (cursor !== null) {
        const page = await ask(cursor)
        rows.push(...page.rows)
        cursor = page.next_cursor
      }
      return { rows, first }
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409 && attempt < 3)) throw error
    }
  }
}
