// What /docs and /redoc have in common: a surface is chosen, then a group of its operations, and only that group is given
// to the viewer.  Of a thousand operations Swagger UI takes half a minute and 400 MB, ReDoc more.
import { filter, groups, make, operations, spoken } from '/operations.js'

const FEW = 40 // are shown at once, more by group
const named = (id) => document.getElementById(id)

export const night = matchMedia('(prefers-color-scheme: dark)')

// A bundle is loaded when there is something for it to show.
const script = (src) => new Promise((loaded, failed) => { document.head.append(make('script', { src, onload: loaded, onerror: failed })) })

// A page of one surface names it, and where its document is.
const { surface: alone, document: itself } = named('viewer').dataset

// What of a document is about some operations: theirs, and which components those refer to, or these to others.
export function partOf(spec, ids) {
  const own = (items = {}) => Object.fromEntries(Object.entries(items)
    .filter(([, item]) => Object.values(item).some(({ operationId }) => ids.has(operationId)))
    .map(([path, item]) => [path, Object.fromEntries(Object.entries(item).filter(([, { operationId }]) => !operationId || ids.has(operationId)))]))
  const part = { ...spec, paths: own(spec.paths), webhooks: own(spec.webhooks), components: { securitySchemes: spec.components.securitySchemes } }
  const todo = [part.paths, part.webhooks]
  for (let node; (node = todo.pop()) !== undefined;) {
    const [, kind, name] = typeof node === 'string' ? node.match(/^#\/components\/(\w+)\/([^/]+)$/) ?? [] : []
    if (kind && !part.components[kind]?.[name]) todo.push((part.components[kind] ??= {})[name] = spec.components[kind][name])
    else if (node && typeof node === 'object') todo.push(...Object.values(node))
  }
  const used = new Set([...Object.values(part.paths), ...Object.values(part.webhooks)].flatMap((item) => Object.values(item).flatMap(({ tags }) => tags ?? [])))
  return { ...part, tags: (spec.tags ?? []).filter(({ name }) => used.has(name)) }
}

// What the address asks for: a surface; a group of it, or its first one; an operation, which alone says where it is, also
// at the end of an address as the viewers themselves make them.
function asked(all) {
  const query = Object.fromEntries(new URLSearchParams(location.search))
  const name = query.operation ?? decodeURIComponent(location.hash).replace(/.*\//, '')
  const operation = all.find(({ id }) => id === name)
  const surface = operation?.surface ?? query.surface ?? alone
  const first = all.find((one) => one.surface === surface && one.group === query.group) ?? all.find((one) => one.surface === surface)
  return { surface: first?.surface, group: operation?.group ?? first?.group, operation }
}

const address = ({ surface, group, id }) => `?${new URLSearchParams({ surface, group, operation: id })}`

// Show what the address asks for, and from what else there is to choose.
//
//	bundle		the viewer's script
//	draw(part, operation)	shows a document, and of it this operation first
//	isAlone		an operation that was asked for is shown without its group
//	isInPlace	choosing draws again; without it, it opens a page
export async function view({ bundle, draw, isAlone = false, isInPlace = false }) {
  const loaded = (alone || location.search || location.hash) && script(bundle) // most of what there is to wait for
  const all = (await operations()).filter(({ surface }) => !alone || surface === alone)
  let chosen = asked(all)
  const documents = {}
  const list = make('div', { className: 'operations' })
  const title = make('summary')
  const fold = make('details', { className: 'choice', open: !chosen.surface || matchMedia('(min-width: 64rem)').matches }, title)
  const isChosen = ({ surface, group }) => surface === chosen.surface && group === chosen.group

  function mark() {
    title.textContent = chosen.surface ? `${chosen.surface} / ${spoken(chosen.group)}` : 'Operations'
    for (const a of document.querySelectorAll('.surfaces a')) a.toggleAttribute('aria-current', new URLSearchParams(a.search).get('surface') === chosen.surface)
    for (const a of list.querySelectorAll('a')) a.toggleAttribute('aria-current', Boolean(chosen.operation) && new URLSearchParams(a.search).get('operation') === chosen.operation.id)
  }
  function offer(typed, found) {
    const some = typed ? found.filter(({ surface }) => !alone || surface === alone) : all.filter(({ surface }) => surface === chosen.surface)
    list.replaceChildren(...groups(some, {
      title: ({ surface, group }) => (surface === chosen.surface ? spoken(group) : `${surface} / ${spoken(group)}`),
      href: address,
      open: (first) => (typed ? found.length <= FEW : isChosen(first)),
    }))
    mark()
  }
  async function go() {
    if (!chosen.surface) return
    const those = isAlone && chosen.operation ? [chosen.operation] : all.filter(isChosen)
    const name = those[0].document
    documents[name] ??= fetch(itself ?? `/openapi/${name}.json`).then((answer) => answer.json())
    await loaded
    draw(partOf(await documents[name], new Set(those.map(({ id }) => id))), chosen.operation)
  }
  if (isInPlace && chosen.surface) {
    const follow = () => {
      chosen = asked(all)
      mark()
      go()
    }
    list.addEventListener('click', (event) => {
      const a = event.target.closest('a')
      if (!a || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      history.pushState(null, '', a.href)
      if (!matchMedia('(min-width: 64rem)').matches) fold.open = false
      follow()
    })
    addEventListener('popstate', follow)
  }
  fold.append(filter(list, offer), list)
  named('choices').append(fold)
  offer('', [])
  await go()
}
