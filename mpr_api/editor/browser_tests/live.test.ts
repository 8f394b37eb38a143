// A live session in a browser: the picture that is on screen, read by its burnt-in clock, has the boxes of that picture.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { chromium, type Browser, type Page } from 'playwright-core'

const URL = process.env.MPR_EDITOR_URL!
/** Of the epoch's clock, for a picture at 25 a second. */
const PTS_PER_PICTURE = 512
const PICTURE_MS = 40

let browser: Browser
let page: Page
let complaints: string[]

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'] })
})
after(() => browser.close())
beforeEach(async () => {
  await page?.close()
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  page.setDefaultTimeout(20_000)
  complaints = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
})

interface Seen {
  /** The picture's number, read from it. */
  number: number
  epoch: number
  pts: number
  analysed: boolean
}

/** What was on screen, picture by picture, until the recording has ended. */
async function watched(): Promise<Seen[]> {
  return page.evaluate(async () => {
    const video = document.querySelector('video')!
    const context = new OffscreenCanvas(640, 360).getContext('2d', { willReadFrequently: true })!
    const seen: Seen[] = []
    const look = () => {
      video.requestVideoFrameCallback(look)
      context.drawImage(video, 0, 0, 640, 360)
      const row = context.getImageData(0, 24, 640, 1).data
      let number = 0
      for (let bit = 0; bit < 10; bit++) if (row[4 * (32 + 64 * bit)]! > 128) number |= 1 << bit
      // The page's own call for this picture may come after this one.
      queueMicrotask(() => {
        const { epoch, pts, analysed } = video.parentElement!.dataset
        seen.push({ number, epoch: Number(epoch), pts: Number(pts), analysed: analysed === 'true' })
      })
    }
    video.requestVideoFrameCallback(look)
    video.currentTime = 0
    await video.play()
    await new Promise((resolve) => video.addEventListener('ended', resolve))
    return seen
  })
}

const drawnPixels = () =>
  page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('.picture canvas')!
    return canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data.filter((value) => value > 0).length
  })

describe('a live session', () => {
  it('is in the list, and its page says what became of it', async () => {
    await page.goto(URL)
    await page.getByRole('link', { name: 'Live' }).click()
    await page.getByRole('link', { name: 'derby' }).click()
    await page.getByRole('row', { name: 'Acme Motors' }).waitFor()
    await page.getByText('not analysed: the analysis was 9 s behind').first().waitFor()
    await page.getByText('not analysed: run_ocr failed').waitFor()
    assert.match(page.url(), /\?live=derby$/)
    await page.goBack()
    await page.getByText('Begin a session').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('shows boxes by the clock of the picture that is on screen', async () => {
    await page.goto(`${URL}/?live=derby`)
    await page.locator('.picture[data-pts]').waitFor()
    const seen = await watched()
    assert.ok(seen.length > 100, `${seen.length} of 200 pictures`)
    assert.deepEqual([...new Set(seen.map((each) => each.epoch))], [0, 1])
    const errors = seen.map((each) => Math.abs(each.pts / PTS_PER_PICTURE - each.number) * PICTURE_MS).sort((a, b) => a - b)
    const p95 = errors[Math.floor(errors.length * 0.95)]!
    assert.ok(p95 <= PICTURE_MS, `p95 ${p95} ms`)
    // A window that was not analysed is not one in which nothing was found.
    assert.ok(seen.every((each) => each.analysed === (each.epoch === 0 && each.number < 50) || each.number % 50 === 0 || each.number % 50 === 49))
    assert.deepEqual(complaints, [])
  })

  it('tells what the picture looks like and what moves, here and beside the window\'s lanes', async () => {
    await page.goto(`${URL}/?live=derby`)
    await page.locator('[data-picture] i').first().waitFor()
    const brightness = Number(await page.getByLabel('brightness').getAttribute('value'))
    assert.ok(brightness > 0.2 && brightness < 0.6, `brightness ${brightness}`)
    await page.goto(`${URL}/?timeline=derby-000000`)
    await page.locator('[data-look]', { hasText: 'brightness' }).waitFor()
    assert.equal(await page.locator('[data-motion]').count(), 0, 'the first picture of a shot has nothing to be held against')
    await page.getByRole('button', { name: 'One frame on' }).click()
    await page.locator('[data-motion]', { hasText: '% moves' }).waitFor()
    assert.deepEqual(complaints, [])
  })

  it('draws the boxes, and leaves them out', async () => {
    await page.goto(`${URL}/?live=derby`)
    await page.locator('.picture[data-pts]').waitFor()
    await page.evaluate(() => document.querySelector('video')!.pause())
    await page.evaluate(() => (document.querySelector('video')!.currentTime = 1))
    await page.locator('[data-now]').getByText('Acme Motors').waitFor()
    await page.getByText('objects: person 1').waitFor()
    const withObjects = await drawnPixels()
    await page.getByRole('checkbox', { name: 'objects' }).uncheck()
    const without = await drawnPixels()
    assert.ok(withObjects > without, `${withObjects} values are drawn with objects, ${without} without`)
    assert.ok(without > 1000)
    await page.getByRole('checkbox', { name: 'boxes' }).uncheck()
    assert.equal(await drawnPixels(), 0)
  })
})
