// What the page's routines say of the frames in a folder: `bench/parity.py` asks, and compares.
import { readFile } from 'node:fs/promises'
import { loadOpenCV } from '@opencvjs/web'
import { runnerImport } from 'vite'
import type * as Routines from '../src/opencv/routines'
import type { StageHere, Wish } from '../src/opencv/wish'

const folder = process.argv[2]!
const { module: routines } = await runnerImport<typeof Routines>('./src/opencv/routines.ts', { configFile: false, logLevel: 'error' })
const cv = (await loadOpenCV()) as unknown as ConstructorParameters<typeof routines.TriedPicture>[0]
const questions = JSON.parse(await readFile(`${folder}/questions.json`, 'utf8')) as {
  file: string
  width: number
  height: number
  settings: Record<StageHere, Wish['settings']>
  field: [number, number][]
}[]

const answers = []
for (const { file, width, height, settings, field } of questions) {
  const image = new cv.Mat(height, width, cv.CV_8UC3!)
  image.data.set(await readFile(`${folder}/${file}`))
  const picture = new routines.TriedPicture(cv, image)
  const told: Record<string, { rows: object[]; ms: number }> = {}
  for (const stage of Object.keys(settings) as StageHere[]) {
    const wish = { stage, seq: 0, settings: settings[stage], field }
    picture.rows(wish)
    const began = performance.now()
    const rows = picture.rows(wish)
    told[stage] = { rows: rows.map(({ seq: _, ...row }) => row), ms: performance.now() - began }
  }
  picture.delete()
  answers.push(told)
}
process.stdout.write(JSON.stringify(answers))
