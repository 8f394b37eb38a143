// Where the page is, kept in step with the address; and who may do what.
import { answered, api, type Schemas } from '../api/client'
import { placeOf, queryOf, type Place } from './address'

const LEAST_BETWEEN_MS = 250

class PageState {
  place = $state<Place>(placeOf(location.search))
  session = $state<Schemas['Session'] | null>(null)

  constructor() {
    addEventListener('popstate', () => {
      clearTimeout(this.writing)
      this.place = placeOf(location.search)
    })
  }

  private written = 0
  private writing: ReturnType<typeof setTimeout> | undefined

  /** Go there; the browser's Back leads to where one was. */
  go(change: Partial<Place>): void {
    clearTimeout(this.writing)
    this.place = { ...this.place, ...change }
    history.pushState(null, '', location.pathname + queryOf(this.place))
  }

  /** The same place, said more exactly: no step for Back. Browsers allow the address few changes a second. */
  refine(change: Partial<Place>): void {
    this.place = { ...this.place, ...change }
    clearTimeout(this.writing)
    const wait_ms = this.written + LEAST_BETWEEN_MS - performance.now()
    if (wait_ms <= 0) this.write()
    else this.writing = setTimeout(() => this.write(), wait_ms)
  }

  private write(): void {
    this.written = performance.now()
    history.replaceState(null, '', location.pathname + queryOf(this.place))
  }

  async askSession(): Promise<void> {
    this.session = await answered(api.GET('/detect/session'))
  }

  get mayWrite(): boolean {
    return this.session?.role === 'write'
  }
}

export const page = new PageState()
