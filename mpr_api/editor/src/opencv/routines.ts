// The stages that the browser can run on a frame, and their rows as the stages' tables have them.
import type { Row } from '../timeline/shapes'
import { Pool, type Cv, type Mat } from './cv'
import { findBoards, prepareEdges, type EdgePicture, type EdgeSettings } from './detect_edges'
import { findField, prepareField, type FieldPicture, type SegmentFieldSettings } from './segment_field'
import type { StageHere, Wish } from './wish'

type Find = (pool: Pool, wish: Wish) => object[]

/** By stage: what is made of a BGR picture once, and what then finds the stage's rows in it. */
const ROUTINES: Record<StageHere, (pool: Pool, image: Mat) => Find> = {
  field_segmentation: (pool, image) => {
    const picture: FieldPicture = prepareField(pool, image)
    return (trying, { settings }) => [findField(trying, picture, settings as unknown as SegmentFieldSettings)]
  },
  detect_edges: (pool, image) => {
    const picture: EdgePicture = prepareEdges(pool, image)
    return (trying, { settings, field }) => findBoards(trying, picture, settings as unknown as EdgeSettings, field)
  },
}

/** A picture that stages are tried on, again and again. */
export class TriedPicture {
  private readonly pool: Pool
  private readonly prepared = new Map<string, Find>()

  /** `image`: BGR; it is deleted with this. */
  constructor(
    cv: Cv,
    private readonly image: Mat,
  ) {
    this.pool = new Pool(cv)
    this.pool.keep(image)
  }

  rows(wish: Wish): Row[] {
    let find = this.prepared.get(wish.stage)
    if (!find) this.prepared.set(wish.stage, (find = ROUTINES[wish.stage]!(this.pool, this.image)))
    const trying = new Pool(this.pool.cv)
    try {
      return find(trying, wish).map((row) => ({ seq: wish.seq, ...row }))
    } finally {
      trying.empty()
    }
  }

  delete(): void {
    this.pool.empty()
  }
}
