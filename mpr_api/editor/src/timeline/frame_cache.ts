// Decoded pictures of a timeline's frames: a bounded number, those around the head fetched ahead.

export class FrameCache {
  private pictures = new Map<string, Promise<ImageBitmap>>()
  private waiting: string[] = []
  private shown: ImageBitmap | null = null
  /** It is on screen and has left the cache. */
  private dropped: ImageBitmap | null = null
  private running = 0
  /** The head's picture, where it waits. */
  private urgent: { begin: () => Promise<void>; passOver: () => void } | null = null

  /** `most`: pictures kept; `atOnce`: fetched side by side, and that at the head: fewer than a browser's connections to one host. */
  constructor(
    private readonly fetchPicture: (url: string) => Promise<ImageBitmap>,
    private readonly most = 120,
    private readonly atOnce = 4,
  ) {}

  /**
   * The picture at the head, before all others. Where as many are being fetched as may be, it waits: null where another
   * is wanted before its turn. So a head that moves faster than pictures come leaves no queue behind.
   */
  get(url: string): Promise<ImageBitmap | null> {
    this.urgent?.passOver()
    this.urgent = null
    const known = this.pictures.get(url)
    if (known) {
      this.pictures.delete(url)
      this.pictures.set(url, known)
      return known
    }
    if (this.running <= this.atOnce) return this.begin(url)
    return new Promise((done, failed) => {
      this.urgent = { begin: () => (this.pictures.get(url) ?? this.begin(url)).then(done, failed), passOver: () => done(null) }
    })
  }

  /** The least recently asked for makes room. */
  private begin(url: string): Promise<ImageBitmap> {
    this.running++
    const asked = this.fetchPicture(url)
    this.pictures.set(url, asked)
    asked
      .catch(() => this.pictures.delete(url))
      .finally(() => {
        this.running--
        this.fill()
      })
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
    const urgent = this.urgent
    this.urgent = null
    void urgent?.begin()
    while (this.running < this.atOnce && this.waiting.length) {
      const url = this.waiting.shift()!
      if (!this.pictures.has(url)) void this.begin(url).catch(() => {})
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
