// The worker that holds OpenCV.js: a frame's picture and a wish come in, the stage's rows go out.
import { loadOpenCV } from '@opencvjs/web'
import type { Row } from '../timeline/shapes'
import type { Cv, Mat } from './cv'
import { TriedPicture } from './routines'
import type { Wish } from './wish'

export interface Question {
  number: number
  /** Address of the frame as it is stored, not scaled. */
  url: string
  wish: Wish
}

export type Answer = { number: number; rows: Row[]; tookMs: number } | { number: number; failure: string } | { ready: true }

const loading = loadOpenCV() as unknown as Promise<Cv>
let latest: { url: string; picture: TriedPicture } | null = null

void loading.then(() => tell({ ready: true }))

addEventListener('message', async ({ data: { number, url, wish } }: MessageEvent<Question>) => {
  try {
    const cv = await loading
    const picture = await pictureAt(cv, url)
    const began = performance.now()
    const rows = picture.rows(wish)
    tell({ number, rows, tookMs: performance.now() - began })
  } catch (error) {
    tell({ number, failure: error instanceof Error ? error.message : String(error) })
  }
})

/** The frame; the last one is kept, as a drag asks for it again and again. */
async function pictureAt(cv: Cv, url: string): Promise<TriedPicture> {
  if (latest?.url === url) return latest.picture
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(((await answer.json()) as { error: string }).error)
  const decoded = await createImageBitmap(await answer.blob(), { colorSpaceConversion: 'none', premultiplyAlpha: 'none' })
  const context = new OffscreenCanvas(decoded.width, decoded.height).getContext('2d', { willReadFrequently: true })!
  context.drawImage(decoded, 0, 0)
  const pixels = context.getImageData(0, 0, decoded.width, decoded.height)
  decoded.close()
  const picture = new TriedPicture(cv, bgrOf(cv, pixels))
  latest?.picture.delete()
  latest = { url, picture }
  return picture
}

function bgrOf(cv: Cv, { data, width, height }: ImageData): Mat {
  const rgba = new cv.Mat(height, width, cv.CV_8UC4!)
  rgba.data.set(data)
  const image = new cv.Mat()
  cv.cvtColor(rgba, image, cv.COLOR_RGBA2BGR!)
  rgba.delete()
  return image
}

function tell(answer: Answer): void {
  postMessage(answer)
}
