// Sending a video into the media store, in parts: what is broken off goes on where it was.
import { answered, api, ApiError, type Schemas } from '../api/client'

const PART_BYTES = 4 << 20
const ATTEMPTS = 20
const WAIT_MS = 1000
/** Under which this browser keeps what it has begun to send: of a part that another has sent, nothing is gone on with. */
const BEGUN = 'mpr-upload'

type State = Schemas['UploadState']

/** The source's id. `told`: the share that has arrived, 0 to 1. Throws ApiError. */
export async function upload(file: File, told: (share: number) => void): Promise<string> {
  if (file.size === 0) throw new ApiError(`${file.name} is empty.`, 0)
  const path = { name: file.name }
  const state = () => answered(api.GET('/detect/uploads/{name}', { params: { path } }))
  const own = `${file.name} ${file.size} ${file.lastModified}`
  let now: State = await state()
  let offset = !now.complete && localStorage.getItem(BEGUN) === own ? now.offset : 0
  localStorage.setItem(BEGUN, own)
  for (let failed = 0; ; ) {
    told(offset / file.size)
    try {
      now = await send(file, offset)
      failed = 0
    } catch (error) {
      if (!passes(error) || ++failed === ATTEMPTS) throw error
      await new Promise((done) => setTimeout(done, WAIT_MS))
      now = await state().catch(() => now)
    }
    if (now.complete) break
    offset = now.offset
  }
  localStorage.removeItem(BEGUN)
  told(1)
  return now.source_id!
}

function send(file: File, offset: number): Promise<State> {
  const end = Math.min(file.size, offset + PART_BYTES)
  return answered(
    api.PUT('/detect/uploads/{name}', {
      params: { path: { name: file.name }, header: { 'content-range': `bytes ${offset}-${end - 1}/${file.size}` } },
      headers: { 'Content-Type': 'application/octet-stream' },
      body: file.slice(offset, end) as never,
      bodySerializer: (body) => body as never,
    }),
  )
}

/** Whether it may be otherwise in a moment: nothing answered, or parts came too fast, or another place is to be sent. */
function passes(error: unknown): boolean {
  return error instanceof ApiError && ([0, 429].includes(error.status) || (error.status === 409 && /bytes were received|another request/.test(error.message)))
}
