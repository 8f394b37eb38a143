// The player of a session: HLS by Media Source Extensions, and which picture is on screen. What is drawn is elsewhere.
import Hls, { type Fragment } from 'hls.js/light'
import type { Placed } from './sync'

const KEPT = 30

export class LivePlayer {
  /** Where the player laid the windows that it has loaded, the newest first. */
  placed: Placed[] = []
  private readonly hls: Hls
  private readonly offsets = new Map<number, number>()

  /** `startS`: how far behind the newest window it begins; of a recording, from its beginning. */
  constructor(
    private readonly video: HTMLVideoElement,
    url: string,
    startS: number | null,
    failed: (sentence: string) => void,
  ) {
    this.hls = new Hls({
      enableWorker: false,
      // How far behind is decided in the page, by when results come.
      maxLiveSyncPlaybackRate: 1,
      liveSyncOnStallIncrease: 0,
      ...(startS === null ? {} : { liveSyncDuration: startS, liveMaxLatencyDuration: 36_000 }),
      backBufferLength: 60,
    })
    // A window is a segment; the count of discontinuities before it is its epoch's number, whose offset is found once.
    this.hls.on(Hls.Events.INIT_PTS_FOUND, (_, found) => this.offsets.set(found.frag.cc, found.initPTS / found.timescale))
    this.hls.on(Hls.Events.FRAG_BUFFERED, (_, { frag }) => this.place(frag as Fragment))
    this.hls.on(Hls.Events.ERROR, (_, error) => {
      if (!error.fatal) return
      if (error.type === Hls.ErrorTypes.MEDIA_ERROR) this.hls.recoverMediaError()
      else if (error.type === Hls.ErrorTypes.NETWORK_ERROR) setTimeout(() => this.hls.startLoad(), 2000)
      else failed(`This browser cannot play the stream (${error.details}).`)
    })
    this.hls.loadSource(url)
    this.hls.attachMedia(video)
  }

  static get works(): boolean {
    return Hls.isSupported()
  }

  private place(frag: Fragment): void {
    const offsetS = this.offsets.get(frag.cc)
    if (typeof frag.sn !== 'number' || offsetS === undefined) return
    const number = frag.sn
    this.placed = [{ number, offsetS }, ...this.placed.filter((each) => each.number !== number)].slice(0, KEPT)
  }

  /** The player's time at which a time on an epoch's clock is shown; null where it has not been loaded. */
  timeOf(number: number, clockS: number): number | null {
    const placed = this.placed.find((each) => each.number === number)
    return placed ? clockS - placed.offsetS : null
  }

  close(): void {
    this.hls.destroy()
    this.video.removeAttribute('src')
  }
}
