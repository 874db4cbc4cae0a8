// The audit log, page by page from the newest on, and whether it is what was written: checked here in parts, from the first event on.
import { callOperation } from '../api/call.js'
import { operation } from '../api/document.js'
import { html, useRef, useState } from '../parts/html.js'
import { useList } from '../parts/list.js'
import { Problem } from '../parts/problem.js'
import { setQuery } from '../parts/router.js'
import { Table } from '../parts/table.js'
import { number } from '../parts/values.js'

const LIST = 'list_platform_audit_events'
const FILTERS = ['actor_id', 'action', 'resource_type']
const SIZE = 50

const detailsOf = ({ details }) => Object.entries(details).filter(([name]) => !['actor_type', 'user_agent', 'request_id'].includes(name))
  .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ')

function Check() {
  const [state, set] = useState(null) // { checked, count, part, problem, isOver }
  const turn = useRef(0)
  async function check() {
    const mine = ++turn.current
    let checked = 0
    for (let after = 0; after !== null;) {
      const answer = await callOperation('get_platform_audit_verification', { query: { after_seq: after } })
      if (mine !== turn.current) return
      if (!answer.ok) return set({ problem: answer.problem })
      checked += answer.data.checked
      after = answer.data.next_seq
      set({ checked, count: answer.data.event_count, part: answer.data, isOver: after === null })
    }
  }
  const isBusy = Boolean(state) && !state.isOver && !state.problem
  return html`<section class="check" aria-busy=${isBusy ? 'true' : 'false'}>
    <p class="row"><button type="button" class="other" disabled=${isBusy} onClick=${check}>Check the log</button>
      <span role="status">${isBusy && `${number(state.checked)} of ${number(state.count)} events are checked …`}
        ${state?.isOver && state.part.is_unbroken && html`<span class="state good">unbroken</span> ${number(state.count)} events are what was written.`}
        ${state?.isOver && !state.part.is_unbroken && html`<span class="state bad">broken</span> ${state.part.problem}.`}</span></p>
    ${state?.isOver && state.part.is_unbroken && state.part.hash && html`<p class="faint">The last one's hash, by which this can be known again: <code>${state.part.hash}</code></p>`}
    <${Problem} problem=${state?.problem} retry=${check} />
  </section>`
}

function View({ route: { query } }) {
  const asked = Object.fromEntries(Object.entries(query).filter(([name, value]) => [...FILTERS, 'before_seq'].includes(name) && value))
  const list = useList(LIST, { query: { ...asked, limit: SIZE } })
  const filters = operation(LIST).parameters.filter(({ name }) => FILTERS.includes(name))
  const last = list.rows.at(-1)
  return html`<h1 tabindex="-1">Audit log</h1>
    <p class="lead">What was done that matters to security, by whom and from where. Each event is sealed with the one before it.</p>
    <${Check} />
    <${Table} caption="Audit log" list=${{ ...list, isWhole: false, hasMore: false }} filters=${filters} state=${query} change=${(members) => setQuery({ ...members, before_seq: null })} empty="Nothing has happened yet."
      columns=${[
    { key: 'action', main: true },
    { key: 'actor_id', label: 'who', show: (id, row) => (row.details.on_behalf_of ? `${id} as ${row.details.on_behalf_of}` : id) },
    { key: 'resource_id', label: 'what', of: (row) => [row.resource_type, row.resource_id].filter(Boolean).join(' ') },
    { key: 'details', of: detailsOf, wide: true },
    { key: 'ip_address', label: 'from', wide: true },
    { key: 'created_at', label: 'when', as: 'datetime' },
  ]} />
    <nav class="turn-page" aria-label="Pages of the log">
      ${query.before_seq && html`<button type="button" class="other" onClick=${() => setQuery({ before_seq: null })}>Newest</button>`}
      ${last && last.seq > 1 && list.rows.length === SIZE && html`<button type="button" class="other" onClick=${() => setQuery({ before_seq: last.seq })}>Older</button>`}
    </nav>`
}

export const audit = { path: 'audit', title: 'Audit log', group: 'Run', needs: LIST, View }
