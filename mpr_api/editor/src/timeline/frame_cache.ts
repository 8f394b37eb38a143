// Decoded pictures of a timeline's frames: a bounded number, those around the head fetched ahead.

export class FrameCache {
  private pictures = new Map<string, Promise<ImageBitmap>>()
  private waiting: string[] = []
  private shown: ImageBitmap | null = null
  /** It is on screen and has left the cache. */
  private dropped: ImageBitmap | null = null
  private running = 0

  /** `most`: pictures kept; `atOnce`: fetched side by side, fewer than a browser's connections to one host. */
  constructor(
    private readonly fetchPicture: (url: string) => Promise<ImageBitmap>,
    private readonly most = 120,
    private readonly atOnce = 4,
  ) {}

  /** The picture, now; the least recently asked for makes room. */
  get(url: string): Promise<ImageBitmap> {
    const known = this.pictures.get(url)
    if (known) {
      this.pictures.delete(url)
      this.pictures.set(url, known)
      return known
    }
    const asked = this.fetchPicture(url)
    this.pictures.set(url, asked)
    asked.catch(() => this.pictures.delete(url))
    for (const oldest of this.pictures.keys()) {
      if (this.pictures.size <= this.most) break
      void this.pictures.get(oldest)?.then((picture) => this.release(picture), () => {})
      this.pictures.delete(oldest)
    }
    return asked
  }

  /** The picture that is on screen: it stays usable, in the cache or not, until another is. */
  show(picture: ImageBitmap | null): void {
    if (this.dropped && this.dropped !== picture) {
      this.dropped.close()
      this.dropped = null
    }
    this.shown = picture
  }

  private release(picture: ImageBitmap): void {
    if (picture === this.shown) this.dropped = picture
    else picture.close()
  }

  /** Fetch these when nothing else is being fetched; what was wanted before and is not among them is forgotten. */
  ahead(urls: string[]): void {
    this.waiting = urls.filter((url) => !this.pictures.has(url))
    this.fill()
  }

  private fill(): void {
    while (this.running < this.atOnce && this.waiting.length) {
      this.running++
      void this.get(this.waiting.shift()!)
        .catch(() => {})
        .finally(() => {
          this.running--
          this.fill()
        })
    }
  }
}

/** Positions to fetch around the head: twice as many in the direction of travel. */
export function around(head: number, count: number, direction: 1 | -1, reach = 24): number[] {
  const wanted: number[] = []
  for (let i = 1; i <= reach; i++) {
    wanted.push(head + i * direction)
    if (i % 2 === 0) wanted.push(head - (i / 2) * direction)
  }
  return wanted.filter((at) => at >= 0 && at < count)
}

export async function fetchBitmap(url: string): Promise<ImageBitmap> {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(((await answer.json()) as { error: string }).error)
  return createImageBitmap(await answer.blob())
}
