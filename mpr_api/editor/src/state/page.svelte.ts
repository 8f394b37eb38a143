// Where the page is, kept in step with the address; and who may do what.
import { answered, api, type Schemas } from '../api/client'
import { placeOf, queryOf, type Place } from './address'

class PageState {
  place = $state<Place>(placeOf(location.search))
  session = $state<Schemas['Session'] | null>(null)

  constructor() {
    addEventListener('popstate', () => (this.place = placeOf(location.search)))
  }

  /** Go there; the browser's Back leads to where one was. */
  go(change: Partial<Place>): void {
    this.place = { ...this.place, ...change }
    history.pushState(null, '', location.pathname + queryOf(this.place))
  }

  /** The same place, said more exactly: no step for Back. */
  refine(change: Partial<Place>): void {
    this.place = { ...this.place, ...change }
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
