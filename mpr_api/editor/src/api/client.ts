// The API with its types. What one part of the page asks is in that part.
import createClient from 'openapi-fetch'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export const api = createClient<paths>({ baseUrl: window.location.origin })

/** An answer's data, or an Error with the API's sentence. */
export async function answered<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let answer
  try {
    answer = await asked
  } catch {
    throw new Error('The server does not answer; is `mpr serve` still running?')
  }
  if (answer.data !== undefined) return answer.data
  const sentence = (answer.error as { error?: string } | undefined)?.error
  throw new Error(sentence ?? `The server answered ${answer.response.status}.`)
}
