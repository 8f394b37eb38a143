import { describe, expect, it } from 'vitest'
import { around, FrameCache } from './frame_cache'

describe('around', () => {
  it.each([
    [0, 0, 1, 4, []],
    [0, 10, 1, 2, [1, 2]],
    [5, 10, 1, 4, [6, 7, 4, 8, 9, 3]],
    [5, 10, -1, 2, [4, 3, 6]],
  ] as const)('head %d of %d going %d', (head, count, direction, reach, wanted) =>
    expect(around(head, count, direction, reach)).toEqual(wanted))
})

describe('FrameCache', () => {
  function cache(most: number) {
    const asked: string[] = []
    const closed: string[] = []
    const picture = (url: string) => {
      asked.push(url)
      return url === 'bad' ? Promise.reject(new Error('no')) : Promise.resolve({ close: () => closed.push(url) } as unknown as ImageBitmap)
    }
    return { frames: new FrameCache(picture, most, 1), asked, closed }
  }

  it('asks once for a picture', async () => {
    const { frames, asked } = cache(2)
    await frames.get('a')
    await frames.get('a')
    expect(asked).toEqual(['a'])
  })

  it('closes the least recently wanted', async () => {
    const { frames, closed } = cache(2)
    for (const url of ['a', 'b', 'a', 'c']) await frames.get(url)
    expect(closed).toEqual(['b'])
  })

  it('asks again for what failed', async () => {
    const { frames, asked } = cache(2)
    await expect(frames.get('bad')).rejects.toThrow('no')
    await expect(frames.get('bad')).rejects.toThrow('no')
    expect(asked).toEqual(['bad', 'bad'])
  })

  it('fetches ahead one after another, and forgets what is no longer wanted', async () => {
    const { frames, asked } = cache(9)
    frames.ahead(['a', 'b', 'c'])
    frames.ahead(['d', 'e'])
    await new Promise((done) => setTimeout(done, 5))
    expect(asked).toEqual(['a', 'd', 'e'])
  })

  it('fetches no more at once however fast the head moves: those it has left are passed over', async () => {
    const asked: { url: string; come: (picture: ImageBitmap) => void }[] = []
    const frames = new FrameCache((url) => new Promise((come) => asked.push({ url, come })), 9, 1)
    const heads = ['a', 'b', 'c', 'd'].map((url) => frames.get(url))
    expect(asked.map(({ url }) => url)).toEqual(['a', 'b'])
    expect(await heads[2]).toBeNull()
    asked[0]!.come({} as ImageBitmap)
    await heads[0]
    await new Promise((done) => setTimeout(done, 5))
    expect(asked.map(({ url }) => url)).toEqual(['a', 'b', 'd'])
    asked[2]!.come({ width: 4 } as ImageBitmap)
    expect(await heads[3]).toEqual({ width: 4 })
  })

  it('closes the picture on screen only when another is shown', async () => {
    const { frames, closed } = cache(1)
    frames.show(await frames.get('a'))
    frames.show(await frames.get('a'))
    const next = await frames.get('b')
    await Promise.resolve()
    expect(closed).toEqual([])
    frames.show(next)
    expect(closed).toEqual(['a'])
  })
})
