// The table of all lists.  What is in it is said by data:
//
//	columns		[{ key, label, as, of, show, sort, main, wide }]: key a row's member, as one of values.js, of(row) where it is no
//			member, show(value, row) where it is more than a value; sort: what the API calls its order, if not key; main:
//			the row's name, a header of it; wide: not shown on a phone
//	actions(row)	[{ label, run, danger, href }]
//	list		what useList gives; state { q, sort, page, … } and change({ … }) are the address's
//
// Where all rows are here, they are searched, sorted and turned over here; else the API is asked, for what it knows.
import { html, useId } from './html.js'
import { Problem } from './problem.js'
import { number, shown, words } from './values.js'

const MOST = 100 // rows that are drawn at once

const textOf = (column, row) => {
  const value = column.of ? column.of(row) : row[column.key]
  return typeof value === 'object' ? JSON.stringify(value) : String(value ?? '')
}
const order = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' }).compare

function arranged({ rows, columns, q, sort, here }) {
  let found = rows
  if (here && q) found = found.filter((row) => columns.some((column) => textOf(column, row).toLowerCase().includes(q.toLowerCase())))
  const column = here && sort && columns.find(({ key }) => key === sort.replace(/^-/, ''))
  if (column) found = found.toSorted((a, b) => (sort.startsWith('-') ? -1 : 1) * order(textOf(column, a), textOf(column, b)))
  return found
}

function Head({ column, sorted, canSort, onSort }) {
  const label = column.label ?? words(column.key)
  const is = sorted.replace(/^-/, '') === column.key
  const way = !is ? undefined : sorted.startsWith('-') ? 'descending' : 'ascending'
  return html`<th scope="col" class=${column.wide ? 'wide' : ''} aria-sort=${way}>
    ${canSort ? html`<button type="button" class="sort" onClick=${() => onSort(is && !sorted.startsWith('-') ? `-${column.key}` : column.key)}>${label}<span aria-hidden="true">${!is ? ' ↕' : way === 'ascending' ? ' ↑' : ' ↓'}</span></button>` : label}
  </th>`
}

function Filter({ parameter: { name, schema, description }, value, onChange }) {
  const id = useId()
  const type = [schema.type].flat().find((one) => one !== 'null')
  const label = html`<label for=${id}>${words(name)}</label>`
  const change = (event) => onChange(event.target.value)
  if (schema.enum || type === 'boolean') {
    const values = schema.enum ?? ['true', 'false']
    return html`<div>${label}<select id=${id} value=${value} onChange=${change}>
      <option value="">${schema.default === undefined ? 'any' : words(String(schema.default))}</option>
      ${values.filter((one) => one !== null && String(one) !== String(schema.default)).map((one) => html`<option value=${String(one)}>${words(one)}</option>`)}
    </select></div>`
  }
  const kind = schema.format === 'date' ? 'date' : schema.format === 'date-time' ? 'datetime-local' : 'text'
  const iso = (text) => (kind === 'datetime-local' && text ? new Date(text).toISOString() : text)
  const local = kind === 'datetime-local' && value ? new Date(Date.parse(value) - new Date(value).getTimezoneOffset() * 60_000).toISOString().slice(0, 16) : value
  return html`<div>${label}<input id=${id} type=${kind} value=${local} title=${description ?? ''} onChange=${(event) => onChange(iso(event.target.value))} /></div>`
}

export function Table({ caption, columns, actions, list, state, change, empty = 'There is nothing here yet.', filters = [] }) {
  const { rows, form, isLoading, problem, total, isWhole } = list
  const id = useId()
  const page = Number(state.page ?? 1)
  const q = state.q ?? ''
  const sorted = state.sort ?? ''
  const canSearch = form.search || isWhole
  const canSort = (column) => column.sort !== false && (form.sorts.includes(column.sort ?? column.key) || (isWhole && !form.sorts.length && rows.length > 1))
  const found = arranged({ rows, columns, q: form.search ? '' : q, sort: sorted, here: isWhole && !form.sorts.length })
  const isTurnedHere = !form.size && Boolean(form.filters) // an answer of the API that is all there is
  const part = isTurnedHere ? found.slice((page - 1) * MOST, page * MOST) : found
  const hasMore = isTurnedHere ? found.length > page * MOST : list.hasMore
  const asked = filters.length > 0 && filters.some(({ name }) => state[name])
  const hasActions = Boolean(actions)
  const count = total ?? (isWhole ? rows.length : undefined)
  const Row = (row) => html`<tr key=${row.id ?? JSON.stringify(row)}>
    ${columns.map((column) => (column.main
    ? html`<th scope="row">${shown(column, row)}</th>`
    : html`<td class=${column.wide ? 'wide' : ''} data-label=${column.label ?? words(column.key)}>${shown(column, row)}</td>`))}
    ${hasActions && html`<td class="actions">${actions(row).map((one) => (one.href
    ? html`<a href=${one.href}>${one.label}</a>`
    : html`<button type="button" class=${one.danger ? 'link danger' : 'link'} onClick=${() => one.run(row)}>${one.label}</button>`))}</td>`}
  </tr>`
  return html`<section class="list" aria-busy=${isLoading ? 'true' : 'false'}>
    ${(canSearch || q || filters.length > 0) && html`<form class="filters" role="search" aria-label=${caption} onSubmit=${(event) => event.preventDefault()}>
      ${(canSearch || q) && html`<div class="grow"><label for=${id}>Search</label><input id=${id} type="search" value=${q} onInput=${(event) => change({ q: event.target.value, page: null })} /></div>`}
      ${filters.map((one) => html`<${Filter} key=${one.name} parameter=${one} value=${state[one.name] ?? ''} onChange=${(value) => change({ [one.name]: value, page: null })} />`)}
    </form>`}
    <${Problem} problem=${problem} retry=${list.reload} />
    ${!problem && html`<div class="table" tabindex="0" role="region" aria-label=${caption}><table>
      <caption>${caption}</caption>
      <thead><tr>${columns.map((column) => html`<${Head} key=${column.key} column=${column} sorted=${sorted} canSort=${canSort(column)} onSort=${(sort) => change({ sort, page: null })} />`)}${hasActions && html`<th scope="col"><span class="unseen">Actions</span></th>`}</tr></thead>
      <tbody>${part.map(Row)}</tbody>
    </table></div>
    ${!found.length && html`<p class="empty">${isLoading ? 'Loading …' : q || asked ? 'Nothing is found. Another search or filter may find it.' : empty}</p>`}
    <p class="paging" role="status">
      ${count !== undefined && !isLoading && html`<span>${number(count)}${total > 10_000 ? ' or more' : ''} ${count === 1 ? 'row' : 'rows'}</span>`}
    </p>
    ${(page > 1 || hasMore) && html`<nav class="turn-page" aria-label=${`Pages of ${caption}`}>
      <button type="button" class="other" disabled=${page <= 1 || isLoading} onClick=${() => change({ page: page - 1 > 1 ? page - 1 : null })}>Back</button>
      <span>page ${page}${total !== undefined && total <= 10_000 ? ` of ${Math.max(1, Math.ceil(isTurnedHere ? found.length / MOST : total / form.size))}` : ''}</span>
      <button type="button" class="other" disabled=${!hasMore || isLoading} onClick=${() => change({ page: page + 1 })}>Next</button>
    </nav>`}`}
  </section>`
}
