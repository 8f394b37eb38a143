// The page in a browser, against a live server with a finished timeline: what a user does and sees.
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { chromium, type Browser, type Page } from 'playwright-core'

const URL = process.env.MPR_EDITOR_URL!
const TIMELINE = `${URL}/?timeline=match`
const FRAME_2 = `${TIMELINE}&stage=match_brands&frame=2`

let browser: Browser
let page: Page
let complaints: string[]

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
})
after(() => browser.close())

beforeEach(async () => {
  await page?.close()
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.setDefaultTimeout(20_000)
  complaints = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
})

const head = () => page.getByRole('slider', { name: 'Time', exact: true }).getAttribute('aria-valuetext')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Another server of the same world, which a test may kill. */
async function serve(port: number): Promise<ChildProcess> {
  const server = spawn(process.env.MPR_PYTHON!, ['-m', 'mpr_cli', 'serve', '--port', String(port)], { stdio: 'ignore' })
  for (let i = 0; i < 300; i++) {
    assert.equal(server.exitCode, null, 'the server runs')
    if (await fetch(`http://127.0.0.1:${port}/health`).then((answer) => answer.ok, () => false)) return server
    await setTimeout(200)
  }
  server.kill('SIGKILL')
  throw new Error('the server does not answer')
}

async function open(url: string): Promise<void> {
  await page.goto(url)
  await page.getByText('found by').waitFor()
}

/** A file dropped on the page. */
async function drop(name: string, content: Buffer): Promise<void> {
  const dropped = await page.evaluateHandle(
    ([name, base64]) => {
      const bytes = Uint8Array.from(atob(base64!), (letter) => letter.charCodeAt(0))
      const transfer = new DataTransfer()
      transfer.items.add(new File([bytes], name!))
      return transfer
    },
    [name, content.toString('base64')],
  )
  await page.locator('main').dispatchEvent('drop', { dataTransfer: dropped })
}

/** The header's loudest breaches of accessibility rules. */
async function breaches(): Promise<string[]> {
  const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => (window as never as { axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> } }).axe.run())
  return violations.filter((found) => ['serious', 'critical'].includes(found.impact)).map((found) => `${found.id}: ${found.nodes[0]?.html}`)
}

describe('the library', () => {
  it('shows the timeline with its brands, and finds it by one', async () => {
    await page.goto(URL)
    const card = page.getByRole('link', { name: /match/ })
    await card.getByText('Acme Motors').waitFor()
    await page.getByRole('searchbox').fill('nowhere')
    await page.getByText('Nothing is called so.').waitFor()
    await page.getByRole('searchbox').fill('acme')
    await card.click()
    await page.getByText('found by').waitFor()
    assert.match(page.url(), /timeline=match/)
    await page.goBack()
    await card.waitFor()
    assert.deepEqual(complaints, [])
  })

  it('takes a video that is dropped, and analyses it', async () => {
    await page.goto(URL)
    const videos = page.getByRole('region', { name: 'Videos without a timeline' })
    await videos.getByText('or drop them here').waitFor()
    await drop('dropped one.mp4', await readFile(process.env.MPR_CLIP!))
    await videos.getByRole('button', { name: 'Analyse dropped one.mp4' }).click()
    await page.waitForURL(/timeline=dropped/)
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText('The run ended: canceled.').waitFor({ timeout: 90_000 })
  })

  it('goes on with an upload that was broken off, and says what is no video', async () => {
    await page.goto(URL)
    const videos = page.getByRole('region', { name: 'Videos without a timeline' })
    await videos.getByText('or drop them here').waitFor()
    const began: string[] = []
    await page.route('**/detect/uploads/**', (route) => {
      const range = route.request().headers()['content-range']
      if (range) began.push(range.split(/[ -]/)[1]!)
      return began.length === 2 ? route.abort('connectionreset') : route.continue()
    })
    await drop('none.mp4', Buffer.alloc(9_000_000, 'no video'))
    await videos.getByRole('button', { name: 'Analyse none.mp4' }).click()
    await videos.getByRole('alert').getByText('none.mp4').waitFor()
    assert.deepEqual(began, ['0', '4194304', '4194304', '8388608'])
    await drop('none.mp4', Buffer.from('other'))
    await videos.getByText('in the media store already').waitFor()
  })

  it('tells what was paid for', async () => {
    await page.goto(URL)
    await page.getByText('Costs of cloud providers').click()
    await page.getByRole('row', { name: 'groq/m 1 0 2 300 20 $0.12' }).waitFor()
    await page.getByRole('combobox', { name: 'for each' }).selectOption('timeline')
    await page.getByRole('row', { name: 'match 1 0 2 300 20 $0.12' }).waitFor()
    assert.deepEqual(complaints, [])
  })
})

describe('a timeline', () => {
  it('goes frame by frame with keys, and the address holds where one is', async () => {
    await open(FRAME_2)
    const started = await head()
    await page.keyboard.press('.')
    assert.notEqual(await head(), started)
    await page.keyboard.press('ArrowLeft')
    assert.equal(await head(), started)
    assert.match(started!, /frame 2/)
    await page.keyboard.press('0')
    await page.waitForURL(/frame=0/)
    await page.keyboard.press(']')
    const found = await head()
    await page.waitForURL(/frame=[1-9]/)
    await page.reload()
    await page.getByText('found by').waitFor()
    assert.equal(await head(), found)
    assert.deepEqual(complaints, [])
  })

  it('has what is said in a lane of its own, and says it where it is', async () => {
    await open(FRAME_2)
    await page.getByText('said: Acme Motors').waitFor()
    await page.keyboard.press('0')
    await page.getByText('said: Acme Motors').waitFor({ state: 'detached' })
    const lanes = (await page.getByRole('slider', { name: 'Time', exact: true }).boundingBox())!
    const drawn = await page.evaluate(
      ([width, y]) => {
        const canvas = document.querySelector<HTMLCanvasElement>('canvas[role=slider]')!
        const row = canvas.getContext('2d')!.getImageData(150, y!, width!, 1).data
        const at = (share: number) => row.slice(4 * Math.round(share * width!), 4 * Math.round(share * width!) + 4).join()
        return [0.1, 0.25, 0.35, 0.5, 0.65, 0.75, 0.9].map(at)
      },
      [Math.floor(lanes.width) - 150, 20 + 2.5 * 18],
    )
    assert.deepEqual(drawn.map((colour) => colour === drawn[3]), [false, false, true, true, true, false, false], 'from 0.6 to 1.4 of 2 s')
    assert.deepEqual(complaints, [])
  })

  it('draws objects of the label that is chosen, and the address holds it', async () => {
    await open(FRAME_2)
    const objects = page.getByRole('combobox', { name: 'objects' })
    assert.equal(await objects.inputValue(), 'hidden')
    const picture = (await page.getByLabel('The frame at the head').boundingBox())!
    const scale = Math.min(picture.width / 640, picture.height / 360)
    const point = async (x: number, y: number) => {
      await page.mouse.move(0, 0)
      await page.mouse.move(picture.x + (picture.width - 640 * scale) / 2 + x * scale, picture.y + (picture.height - 360 * scale) / 2 + y * scale)
    }
    const told = (words: string) => page.getByRole('status').getByText(words, { exact: true })
    // What is under the pointer is told when it moves, and objects are there a little later than what asks for them.
    const tells = async (x: number, y: number, words: string) => {
      for (let i = 0; i < 50 && !(await told(words).count()); i++) {
        await point(x, y)
        await setTimeout(200)
      }
      assert.equal(await told(words).count(), 1)
    }
    await objects.selectOption({ label: 'car (1)' })
    await page.waitForURL(/objects=car/)
    await tells(400, 300, 'car 75 %')
    await point(130, 320)
    await told('car 75 %').waitFor({ state: 'detached' })
    assert.equal(await told('person 75 %').count(), 0)
    await objects.selectOption('all')
    await page.waitForURL(/objects=(&|$)/)
    await tells(130, 320, 'person 75 %')
    await page.reload()
    await page.getByText('found by').waitFor()
    await tells(130, 320, 'person 75 %')
    assert.deepEqual(complaints, [])
  })

  it('shows the exposures on what is chosen alone', async () => {
    const lanes = () => page.evaluate(() => document.querySelector<HTMLCanvasElement>('canvas[role=slider]')!.toDataURL())
    await open(`${FRAME_2}&on=shirt`)
    const on = page.getByRole('combobox', { name: 'exposures on' })
    assert.equal(await on.inputValue(), 'shirt')
    const before = await lanes()
    await on.selectOption('anything')
    await page.waitForURL((url) => !url.searchParams.has('on'))
    assert.notEqual(await lanes(), before)
    assert.deepEqual(complaints, [])
  })

  it('tries a setting as it is changed, says what is lost, and takes it back', async () => {
    await open(FRAME_2)
    const [stage] = [page.getByRole('complementary', { name: 'Stage' })]
    await stage.getByRole('spinbutton', { name: 'min_confidence', exact: true }).fill('1')
    await stage.getByRole('spinbutton', { name: 'min_confidence', exact: true }).press('Tab')
    await stage.getByText(/[0-9]+ lost/).waitFor()
    await stage.getByText('1 changed', { exact: true }).waitFor()
    const rimmed = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('canvas[aria-label="The frame at the head"]')!
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
      return data.some((red, i) => i % 4 === 0 && red === 0xff && data[i + 1] === 0xc9 && data[i + 2] === 0x4d)
    })
    assert.ok(rimmed, 'what is no brand any more has a rim')
    await stage.getByRole('button', { name: 'Reset all' }).click()
    await stage.getByText(/[0-9]+ lost/).waitFor({ state: 'detached' })
    assert.deepEqual(complaints, [])
  })

  it('tries settings on all kept frames, and leads to those that come out otherwise', async () => {
    await open(FRAME_2)
    const stage = page.getByRole('complementary', { name: 'Stage' })
    await stage.getByRole('spinbutton', { name: 'min_confidence', exact: true }).fill('1')
    await stage.getByRole('spinbutton', { name: 'min_confidence', exact: true }).press('Tab')
    await stage.getByRole('button', { name: 'Try on all 3 kept frames' }).click()
    const all = stage.getByRole('region', { name: 'On all kept frames' })
    await all.getByText('0 gained · 0 lost · 3 changed, on 3 of them').waitFor()
    await all.getByRole('button', { name: '3', exact: true }).click()
    assert.match((await head())!, /frame 3/)
    await stage.getByRole('button', { name: 'Reset all' }).click()
    await all.waitFor({ state: 'detached' })
    assert.deepEqual(complaints, [])
  })

  it('follows a slider that is dragged, and shows the answer of its last place', async () => {
    await open(`${TIMELINE}&stage=detect_edges&frame=2`)
    const stage = page.getByRole('complementary', { name: 'Stage' })
    const slider = stage.getByRole('slider', { name: 'edge_pair_min_distance, slider' })
    await slider.click({ trial: true }) // the profile's settings are known, and it can be moved
    const box = (await slider.boundingBox())!
    await page.mouse.move(box.x + 4, box.y + box.height / 2)
    await page.mouse.down()
    for (let i = 1; i <= 20; i++) await page.mouse.move(box.x + 4 + ((box.width - 8) * i) / 20, box.y + box.height / 2)
    await page.mouse.up()
    await stage.getByText('changed', { exact: false }).first().waitFor()
    await page.waitForFunction(() => !document.querySelector('[data-busy=true]'))
    assert.equal(await stage.getByRole('alert').count(), 1, 'the smallest height is above the largest: the sentence of the API')
    await slider.focus()
    await page.keyboard.press('Home')
    await stage.getByRole('alert').waitFor({ state: 'detached' })
  })

  it('tries a dragged setting by itself once OpenCV is loaded, and finds what the server finds', async () => {
    await open(`${TIMELINE}&stage=detect_edges&frame=2`)
    const stage = page.getByRole('complementary', { name: 'Stage' })
    const slider = stage.getByRole('slider', { name: 'edge_canny_low, slider' })
    const drag = (value: number) =>
      slider.evaluate((input: HTMLInputElement, value) => {
        input.value = String(value)
        input.dispatchEvent(new Event('input', { bubbles: true }))
      }, value)
    await slider.waitFor()
    for (let i = 0; (await stage.getByText('in the browser').count()) === 0; i++) {
      assert.ok(i < 100, 'OpenCV is loaded')
      await drag(0.2 + (i % 5) / 100)
      await page.waitForTimeout(200)
    }
    await page.waitForFunction(() => !document.querySelector('[data-busy=true]'))
    await slider.evaluate((input) => input.dispatchEvent(new Event('change', { bubbles: true })))
    await stage.locator('[data-checks]').waitFor({ state: 'attached' })
    assert.equal(await stage.locator('[data-checks]').getAttribute('data-checks'), '1 made, 0 otherwise')
    assert.deepEqual(complaints, [])
  })

  it('refuses a value out of its range in words', async () => {
    await open(FRAME_2)
    const input = page.getByRole('spinbutton', { name: 'min_confidence', exact: true })
    await input.fill('7')
    await input.press('Tab')
    await page.getByText('between 0 and 1').waitFor()
  })

  it('runs a stage with the settings that were tried, tells how far it is, and shows what came of it', async () => {
    await open(FRAME_2)
    const [stage, list] = [page.getByRole('complementary', { name: 'Stage' }), page.getByRole('navigation', { name: 'Stages' })]
    const input = stage.getByRole('spinbutton', { name: 'min_confidence', exact: true })
    await input.fill('1')
    await input.press('Tab')
    await stage.getByRole('button', { name: 'Run with these settings' }).click()
    await page.getByRole('button', { name: 'Stop' }).waitFor()
    await page.getByText('The run ended: success.').waitFor({ timeout: 150_000 })
    await list.getByRole('button', { name: /match_brands.*overridden/ }).waitFor()
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await page.getByRole('button', { name: 'Stop' }).waitFor()
    await page.getByText('The run ended: success.').waitFor({ timeout: 150_000 })
    await list.getByRole('button', { name: /overridden/ }).first().waitFor({ state: 'detached' })
    assert.deepEqual(complaints, [])
  })

  it('retries a run that a provider failed with another one', async () => {
    await open(`${TIMELINE}&stage=escalate_cloud&frame=2`)
    const stage = page.getByRole('complementary', { name: 'Stage' })
    await stage.getByRole('checkbox', { name: 'enabled', exact: true }).check()
    await stage.getByRole('button', { name: 'Run with these settings' }).click()
    const run = page.getByRole('region', { name: 'Run', exact: true })
    await run.getByText('The run ended: failure.').waitFor({ timeout: 150_000 })
    await run.getByRole('alert').getByText('ANTHROPIC_API_KEY').waitFor()
    await run.getByRole('textbox', { name: "Another provider's model" }).fill('groq/llama')
    await run.getByRole('button', { name: 'Retry with it' }).click()
    await run.getByRole('button', { name: 'Stop' }).waitFor()
    await run.getByRole('alert').getByText('GROQ_API_KEY').waitFor({ timeout: 150_000 })
  })

  it('goes through what was found, judges it, and takes that back', async () => {
    await open(`${FRAME_2}&panel=review`)
    const review = page.getByRole('region', { name: 'Review' })
    await review.getByText(/– of [1-9]/).waitFor()
    await page.keyboard.press(']')
    await review.getByText('Acme Motors', { exact: true }).waitFor()
    await page.waitForURL(/mark=2%2C/)
    await page.reload()
    await review.getByText('Acme Motors', { exact: true }).waitFor()
    await page.keyboard.press('x')
    await review.getByText('Kept: reject of Acme Motors.').waitFor()
    await page.keyboard.press('a')
    await review.getByText('Kept: accept of Acme Motors.').waitFor()
    await review.getByText('1 correction').waitFor()
    await page.keyboard.press('Control+z')
    await page.getByText('Taken back: accept of Acme Motors.').waitFor()
    await page.keyboard.press('Control+z')
    await page.getByText('Taken back: reject of Acme Motors.').waitFor()
    await review.getByText('1 correction').waitFor({ state: 'detached' })
    assert.deepEqual(complaints, [])
  })

  it('draws a mark that was missed, and says how right the stage is by that as a setting is changed', async () => {
    await open(`${FRAME_2}&panel=review`)
    const review = page.getByRole('region', { name: 'Review' })
    await page.keyboard.press('d')
    const picture = (await page.getByLabel('The frame at the head').boundingBox())!
    await page.mouse.move(picture.x + picture.width / 2 - 90, picture.y + picture.height / 2 - 40)
    await page.mouse.down()
    await page.mouse.move(picture.x + picture.width / 2 + 90, picture.y + picture.height / 2 + 10, { steps: 4 })
    await page.mouse.up()
    await review.getByRole('combobox', { name: 'Brand', exact: true }).fill('Nowhere Airlines')
    await review.getByRole('button', { name: 'Was missed here' }).click()
    await review.getByText('Kept: Nowhere Airlines drawn.').waitFor()
    await page.getByRole('button', { name: 'Settings', exact: true }).click()
    const input = page.getByRole('spinbutton', { name: 'min_confidence', exact: true })
    await input.fill('1')
    await input.press('Tab')
    await page.getByText('→ recall 0 %').waitFor()
    for (const step of ['a setting of match_brands', 'Nowhere Airlines drawn']) {
      await page.getByRole('button', { name: 'Undo' }).click()
      await page.getByText(`Taken back: ${step}.`).waitFor()
    }
    assert.deepEqual(complaints, [])
  })

  it('looks for the same mark elsewhere', async () => {
    await open(`${FRAME_2}&panel=review`)
    const review = page.getByRole('region', { name: 'Review' })
    await review.getByText(/– of [1-9]/).waitFor()
    await page.keyboard.press(']')
    await review.getByRole('button', { name: 'Where else does it look like this?' }).click()
    await review.getByText('Nowhere else in the timeline it looks like this.').waitFor()
    await page.keyboard.press(']')
    await review.getByRole('button', { name: 'Where else does it look like this?' }).waitFor()
    assert.deepEqual(complaints, [])
  })

  it('saves settings as a profile and into one, and takes that back', async () => {
    await open(FRAME_2)
    const stage = page.getByRole('complementary', { name: 'Stage' })
    const input = stage.getByRole('spinbutton', { name: 'min_confidence', exact: true })
    const before = await input.inputValue()
    await input.fill('0.9')
    await input.press('Tab')
    await stage.getByText('Save these settings').click()
    await stage.getByRole('textbox', { name: 'Name of a new profile' }).fill(`night-${Date.now()}`)
    await stage.getByRole('button', { name: 'Save as new' }).click()
    await stage.getByText('Saved as the profile night').waitFor()
    await stage.getByRole('button', { name: 'Into the profile' }).click()
    await stage.getByText('1 changed', { exact: true }).waitFor({ state: 'detached' })
    assert.equal(await input.inputValue(), '0.9')
    await page.getByRole('button', { name: /match_brands.*stale/ }).waitFor()
    await stage.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('Taken back: settings of match_brands saved into').waitFor()
    assert.equal(await input.inputValue(), before)
    assert.deepEqual(complaints, [])
  })

  it('tells what was tried with a stage, and compares two results of it', async () => {
    await open(`${FRAME_2}&panel=history`)
    const history = page.getByRole('region', { name: 'History' })
    await history.getByText('now', { exact: true }).waitFor()
    await history.getByText('Cloud providers: 1 request, $0.12').waitFor()
    await history.getByRole('combobox', { name: 'Before' }).selectOption({ label: 'match:match_brands@1' })
    await history.getByRole('combobox', { name: 'After' }).selectOption({ label: 'match:match_brands@2' })
    await history.getByRole('button', { name: 'Compare' }).click()
    await page.getByRole('region', { name: 'Difference' }).getByText('min_confidence').waitFor()
    await history.getByRole('checkbox', { name: 'all stages, as a tree' }).check()
    await history.getByText('extract_frames 1').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('says so when the server is killed in the middle of a drag, and goes on by itself when it is back', async () => {
    const port = await freePort()
    let server = await serve(port)
    try {
      await open(FRAME_2.replace(URL, `http://127.0.0.1:${port}`))
      const stage = page.getByRole('complementary', { name: 'Stage' })
      const slider = stage.getByRole('slider', { name: 'min_confidence, slider' })
      const drag = (value: number) =>
        slider.evaluate((input: HTMLInputElement, value) => {
          input.value = String(value)
          input.dispatchEvent(new Event('input', { bubbles: true }))
        }, value)
      await drag(0.6)
      await stage.getByText('gained', { exact: false }).first().waitFor()
      server.kill('SIGKILL')
      await drag(0.7)
      await stage.getByRole('alert').getByText('The server does not answer').waitFor()
      await drag(1)
      server = await serve(port)
      await stage.getByText(/[0-9]+ lost/).waitFor()
      await stage.getByRole('alert').waitFor({ state: 'detached' })
      assert.equal(await stage.getByRole('spinbutton', { name: 'min_confidence', exact: true }).inputValue(), '1')
    } finally {
      server.kill('SIGKILL')
    }
  })

  it('names itself when it tries settings, so that the newest wish of a page is answered', async () => {
    const names: string[] = []
    page.on('request', (request) => {
      if (request.url().includes('/try/')) names.push(request.headers()['mpr-client'] ?? '')
    })
    await open(FRAME_2)
    const stage = page.getByRole('complementary', { name: 'Stage' })
    for (const value of ['0.9', '1']) {
      await stage.getByRole('spinbutton', { name: 'min_confidence', exact: true }).fill(value)
      await stage.getByRole('spinbutton', { name: 'min_confidence', exact: true }).press('Tab')
      await stage.getByText(/[0-9]+ (gained|lost)/).first().waitFor()
      await page.waitForFunction(() => !document.querySelector('[data-busy=true]'))
    }
    assert.match(names[0]!, /^[0-9a-f]{20,} trial$/)
    assert.deepEqual([...new Set(names)], [names[0]])
  })

  it('is open twice: what one tab has judged, the other shows when it looks', async () => {
    await open(`${FRAME_2}&panel=review`)
    const other = await browser.newPage()
    try {
      await other.goto(`${FRAME_2}&panel=review`)
      await other.getByText('found by').waitFor()
      const review = page.getByRole('region', { name: 'Review' })
      await review.getByText(/– of [1-9]/).waitFor()
      await page.keyboard.press(']')
      await page.keyboard.press('a')
      await review.getByText('Kept: accept of Acme Motors.').waitFor()
      await other.reload()
      await other.getByRole('region', { name: 'Review' }).getByText('1 correction').waitFor()
      await page.keyboard.press('Control+z')
      await page.getByText('Taken back').waitFor()
      await other.reload()
      await other.getByRole('region', { name: 'Review' }).getByText(/– of [1-9]/).waitFor()
      assert.equal(await other.getByText('1 correction').count(), 0)
    } finally {
      await other.close()
    }
  })

  it('bookmarks what a stage has stored, once under a name', async () => {
    await open(FRAME_2)
    const stage = page.getByRole('complementary', { name: 'Stage' })
    const keep = async () => {
      await stage.getByRole('textbox', { name: 'Name of a bookmark' }).fill('good')
      await stage.getByRole('button', { name: 'Bookmark' }).click()
    }
    await keep()
    await stage.getByText('Kept as good.').waitFor()
    await keep()
    await stage.getByRole('alert').getByText('good').waitFor()
  })

  it('lists its keys, and one can be changed', async () => {
    await open(FRAME_2)
    const started = await head()
    await page.keyboard.press('?')
    const dialog = page.getByRole('dialog', { name: 'Keys' })
    await dialog.getByText('one frame back').first().waitFor()
    await dialog.getByRole('button', { name: ',', exact: true }).click()
    await page.keyboard.press('q')
    await dialog.getByRole('button', { name: 'q', exact: true }).waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.keyboard.press(',')
    assert.equal(await head(), started)
    await page.keyboard.press('q')
    assert.notEqual(await head(), started)
  })

  it('says that a timeline is not there', async () => {
    await page.goto(`${URL}/?timeline=nothing`)
    await page.getByRole('alert').getByText('nothing').waitFor()
  })

  it('says how right a stage is by a truth file, also while a slider is dragged', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mpr-truth-'))
    const file = join(folder, 'truth.csv')
    await writeFile(file, 'brand,start_s,end_s,kind,note\nacme motors,0,1.2,,\n')
    const given = spawnSync(process.env.MPR_PYTHON!, ['-m', 'mpr_cli', 'truth', 'match', file], { encoding: 'utf8' })
    assert.equal(given.status, 0, given.stderr)
    await open(FRAME_2)
    const figures = page.getByRole('region', { name: 'How right it is' })
    await figures.getByText('By the truth in truth.csv, on 3 frames: recall 100 %, precision 67 %').waitFor()
    const slider = page.getByRole('slider', { name: 'min_confidence, slider' })
    await slider.evaluate((input: HTMLInputElement) => {
      input.value = '1'
      input.dispatchEvent(new Event('input', { bubbles: true }))
    })
    await figures.getByText('→ recall 0 %, precision –').waitFor()
    assert.deepEqual(complaints, [])
  })

})

describe('for everybody', () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    it(`no serious breach of accessibility, ${colorScheme}`, async () => {
      await page.emulateMedia({ colorScheme })
      await page.goto(URL)
      await page.getByRole('link', { name: /match/ }).waitFor()
      assert.deepEqual(await breaches(), [])
      for (const panel of ['', '&panel=review', '&panel=history']) {
        await open(`${FRAME_2}${panel}`)
        assert.deepEqual(await breaches(), [], panel)
      }
    })
  }

  it('a first load of less than 200 kB of script', async () => {
    let bytes = 0
    page.on('response', async (answer) => {
      if (answer.url().endsWith('.js')) bytes += (await answer.body()).length
    })
    await page.goto(URL)
    await page.getByRole('link', { name: /match/ }).waitFor()
    assert.ok(bytes > 0 && bytes < 400_000, `${bytes} bytes uncompressed`)
  })
})
