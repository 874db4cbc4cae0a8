// Lists, in whatever form: awaited they are a page, as the API answers it; `for await` goes through all rows of all pages.
import type { Plan } from './operation.js'

type List = NonNullable<Plan['list']>
type Given = Record<string, unknown>
// From here on a total is "this many, or more".
const CAPPED = 10000

function within(answer: unknown, way: string): unknown {
  return way === '' ? answer : way.split('.').reduce((at, name) => (at as Record<string, unknown> | undefined)?.[name], answer)
}

// The members beside the rows: at the top, beside them, or in meta.
function said(answer: unknown, way: string, name: string): unknown {
  const top = answer as Record<string, any>
  return (within(answer, way.replace(/\.?\w*$/, '')) as Record<string, unknown>)?.[name] ?? top.meta?.[name] ?? top[name]
}

/** One page when awaited, all rows by `for await`. */
export class Pages<Page, Item> implements PromiseLike<Page>, AsyncIterable<Item> {
  #first: Promise<Page> | undefined

  constructor(private readonly ask: (args: Given) => Promise<unknown>, private readonly list: List, private readonly args: Given) {}

  #page(): Promise<Page> {
    return (this.#first ??= this.ask(this.args) as Promise<Page>)
  }

  then<A = Page, B = never>(done?: ((page: Page) => A | PromiseLike<A>) | null, failed?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    return this.#page().then(done, failed)
  }

  catch<B = never>(failed?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<Page | B> {
    return this.#page().catch(failed)
  }

  finally(done?: (() => void) | null): Promise<Page> {
    return this.#page().finally(done)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    const { rows: way, place, size, usual } = this.list
    const isRange = size === 'end' // both ends are asked for, by their places
    let at = Number((place && this.args[place]) ?? (place === 'page' ? 1 : 0))
    const asked = size && this.args[size]
    let most = asked === undefined || asked === null ? usual : Number(asked) - (isRange ? at - 1 : 0)
    for (let answer: unknown = await this.#page(); ;) {
      const rows = (within(answer, way) ?? []) as Item[]
      yield* rows
      if (!place) return
      if (place === 'cursor') {
        const next = said(answer, way, 'next_cursor')
        if (typeof next !== 'string') return
        answer = await this.ask({ ...this.args, cursor: next })
        continue
      }
      const more = said(answer, way, 'has_more') ?? said(answer, way, 'has_next')
      const total = said(answer, way, 'total')
      const limit = !isRange && size ? said(answer, way, size) : undefined // what it was cut to
      if (typeof limit === 'number' && limit > 0) most = limit
      const seen = place === 'page' ? at * most : at + rows.length
      if (!rows.length || more === false || (more === undefined && (rows.length < most || (typeof total === 'number' && total <= CAPPED && total <= seen)))) return
      at = place === 'page' ? at + 1 : at + rows.length
      answer = await this.ask({ ...this.args, [place]: at, ...(isRange && { end: at + most - 1 }) })
    }
  }
}
