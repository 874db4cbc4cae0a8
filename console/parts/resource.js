// A page made of a description: a resource is data, and this draws its list, its forms and what is done to a row.
//
//	resource({
//	  path: 'api-keys', title: 'API keys', group: 'Build', about: '…',
//	  list: 'list_platform_dashboard_keys',	an operation, or several, of which the first that the session may call is taken
//	  columns: [ … ],			see table.js
//	  filters: ['include_revoked'],		which of the operation's; left out: all
//	  create: { operation, label, fields, labels, done(data) },
//	  update: { operation, label, fields, labels, values(row) },
//	  remove: { operation, label, text(row), when(row) },
//	  actions: [{ operation, label, title, text(row), danger, done(data, row), when(row), body(row) }, { label, href(row) },
//	    { operation, label, form: true, values, load }],	its form in a dialog; load: the operation that tells what stands in it
//	  id(row), name(row)			what its last path parameter is, and how it is called; row.id and row.name
//	  detail: Component			shown at /console/<path>/<id>: gets { id, rest, page }
//	})
//
// gives a page (pages/index.js).  What the session may not call is not drawn.
import { callOperation } from '../api/call.js'
import { firstOf, operation } from '../api/document.js'
import { html, useState } from './html.js'
import { confirm, Dialog } from './dialog.js'
import { Form } from './form.js'
import { useList } from './list.js'
import { Load } from './load.js'
import { href, setQuery } from './router.js'
import { say } from './say.js'
import { Table } from './table.js'

// The path's last parameter is the row; those before it are the page's.
const pathOf = (id, given, path) => {
  const names = [...operation(id).path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  return { ...path, ...(names.length && { [names.at(-1)]: given }) }
}

// An action's form, with what stands in it where something does.
function FormOf({ one, row, path, onDone }) {
  const form = (values) => html`<${Form} id=${firstOf(one.operation)} path=${path} values=${values} fields=${one.fields} labels=${one.labels} asksQuery=${one.asksQuery} action=${one.label} onDone=${onDone} />`
  return one.load ? html`<${Load} id=${one.load} path=${path}>${(data) => form(data)}<//>` : form(one.values?.(row))
}

export function Resource({ page, path = {}, query = {}, route, rest = [], keep = setQuery }) {
  const [open, setOpen] = useState(null) // { title, … }: the form in the dialog
  const idOf = page.id ?? ((row) => row.id)
  const nameOf = page.name ?? ((row) => row.name ?? row.id)
  const id = firstOf(page.list)
  const state = route.query
  const asked = Object.fromEntries(Object.entries(state).filter(([name]) => !['q', 'sort', 'page'].includes(name)))
  const op = operation(id)
  const has = (name) => op.parameters.some((one) => one.name === name)
  const list = useList(id, {
    path, page: Number(state.page ?? 1),
    query: {
      ...query, ...asked,
      ...(state.q && has('search') && { search: state.q }),
      ...(state.sort && has('sort_by') && { sort_by: state.sort.replace(/^-/, ''), sort_order: state.sort.startsWith('-') ? 'desc' : 'asc' }),
    },
  })
  const filters = list.form.filters.filter(({ name }) => !(name in query) && (!page.filters || page.filters.includes(name)))
  const create = page.create && firstOf(page.create.operation)
  const update = page.update && firstOf(page.update.operation)

  const finished = (text) => { setOpen(null); say(text); list.reload() }

  async function act(one, row) {
    const operationId = firstOf(one.operation)
    const isMeant = !one.text || await confirm({ title: one.title ?? one.label, text: one.text(row), action: one.label, danger: one.danger })
    if (!isMeant) return
    const answer = await callOperation(operationId, { path: pathOf(operationId, idOf(row), path), body: one.body?.(row) })
    if (!answer.ok) {
      await confirm({ title: 'That did not work', text: `${answer.problem.message} (${answer.problem.code}${answer.problem.requestId ? `, request ${answer.problem.requestId}` : ''})`, action: 'Understood' })
      return
    }
    if (one.done) await one.done(answer.data, row)
    finished(one.said ?? `${one.label}: done.`)
  }

  const removing = page.remove && { label: 'Delete', danger: true, ...page.remove }
  const actions = (row) => [
    ...(page.actions ?? []).filter((one) => (!one.when || one.when(row)) && (!one.operation || firstOf(one.operation)))
      .map((one) => ({ label: one.label, danger: one.danger, href: one.href?.(row), run: () => (one.form ? setOpen({ kind: 'form', one, row }) : act(one, row)) })),
    ...(update && (!page.update.when || page.update.when(row)) ? [{ label: page.update.label ?? 'Change', run: () => setOpen({ kind: 'update', row }) }] : []),
    ...(removing && firstOf(removing.operation) && (!removing.when || removing.when(row)) ? [{ label: removing.label, danger: true, run: () => act(removing, row) }] : []),
  ]
  const hasActions = Boolean(page.actions || update || (removing && firstOf(removing.operation)))

  return html`
    ${create && html`<p class="row"><button type="button" onClick=${() => setOpen({ kind: 'create' })}>${page.create.label}</button></p>`}
    <${Table} caption=${page.title} columns=${page.columns} actions=${hasActions && actions} list=${list} filters=${filters} state=${state} change=${keep} empty=${page.empty} />
    ${open?.kind === 'create' && html`<${Dialog} title=${page.create.label} onClose=${() => setOpen(null)}>
      <${Form} id=${create} path=${path} fields=${page.create.fields} labels=${page.create.labels} asksQuery=${page.create.asksQuery} action=${page.create.action ?? page.create.label}
        onDone=${async (data) => { setOpen(null); if (page.create.done) await page.create.done(data); finished(page.create.said ?? `${page.create.label}: done.`) }} />
      <p><button type="button" class="other" onClick=${() => setOpen(null)}>Cancel</button></p>
    <//>`}
    ${open?.kind === 'form' && html`<${Dialog} title=${`${open.one.label}: ${nameOf(open.row)}`} onClose=${() => setOpen(null)}>
      <${FormOf} one=${open.one} row=${open.row} path=${pathOf(firstOf(open.one.operation), idOf(open.row), path)}
        onDone=${async (data) => { const { one, row } = open; setOpen(null); if (one.done) await one.done(data, row); finished(one.said ?? `${one.label}: done.`) }} />
      <p><button type="button" class="other" onClick=${() => setOpen(null)}>Cancel</button></p>
    <//>`}
    ${open?.kind === 'update' && html`<${Dialog} title=${`Change ${nameOf(open.row)}`} onClose=${() => setOpen(null)}>
      <${Form} id=${update} path=${pathOf(update, idOf(open.row), path)} values=${page.update.values ? page.update.values(open.row) : open.row} fields=${page.update.fields} labels=${page.update.labels}
        onDone=${() => finished('The change is saved.')} />
      <p><button type="button" class="other" onClick=${() => setOpen(null)}>Cancel</button></p>
    <//>`}`
}

export function resource(page) {
  const View = ({ route }) => {
    const [id, ...rest] = route.rest
    if (id && page.detail) return html`<${page.detail} id=${id} rest=${rest} route=${route} page=${page} />`
    return html`<h1 tabindex="-1">${page.title}</h1>
      ${page.about && html`<p class="lead">${page.about}</p>`}
      <${Resource} key=${page.path} page=${page} route=${route} />`
  }
  return { ...page, needs: page.list, View, link: (...rest) => href(page.path, ...rest) }
}
