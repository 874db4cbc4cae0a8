// The operations of the API, from the list beside the pages (tools/docs makes it), and what shows some of them: groups
// to unfold.  For the filter of the reference and of the viewers, and for the search.
let fetched // a promise of them

// All operations, in the document's order: { surface, document, group, method, path, id, summary, page }.
export const operations = () => (fetched ??= fetch('/operations.json').then((answer) => answer.json()).then(({ surfaces }) =>
  surfaces.flatMap((surface) => surface.groups.flatMap((group) => group.operations.map(([method, path, id, summary]) => ({
    surface: surface.name, document: surface.document, group: group.name, method, path, id, summary,
    page: `/reference/${surface.name}/${group.name}.html`,
    text: `${method} ${path} ${id} ${summary}`.toLowerCase(),
  }))))))

// A name as people write it.
export const spoken = (name) => name.replaceAll('_', ' ')

// Those that have all that was typed, each piece of it anywhere in method, path, id or summary.
export function filtered(all, typed) {
  const pieces = typed.toLowerCase().split(/\s+/).filter(Boolean)
  return all.filter(({ text }) => pieces.every((piece) => text.includes(piece)))
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

function row(operation, href) {
  const { method, path, summary } = operation
  return make('li', {}, make('a', { href: href(operation) },
    make('b', { className: `verb ${method.toLowerCase()}`, textContent: method || 'EVENT' }), ' ', make('code', { textContent: path }), ' ', make('span', { textContent: summary })))
}

// The groups of some operations, folded; a group's rows are made when it is unfolded.  title(operation) is what its
// group is called, href(operation) where a row leads, open(operation) whether its group is unfolded already.
export function groups(some, { title, href, open }) {
  const of = Map.groupBy(some, ({ surface, group }) => `${surface} ${group}`)
  return [...of.values()].map((those) => {
    const list = make('ul')
    const isOpen = open(those[0])
    const fill = () => { if (!list.children.length) list.append(...those.map((operation) => row(operation, href))) }
    const group = make('details', { className: 'group', open: isOpen }, make('summary', {}, title(those[0]), ' ', make('span', { textContent: those.length })), list)
    if (isOpen) fill()
    else group.addEventListener('toggle', fill)
    return group
  })
}

// A field that asks what to show when something else is typed.  Enter follows the first row, arrows go through them, Escape empties it.
export function filter(list, show) {
  const field = make('input', { type: 'search', placeholder: 'Filter by path, summary or id', autocomplete: 'off', ariaLabel: 'Filter the operations by path, summary or id' })
  const status = make('p', { className: 'filtered', role: 'status' })
  const box = make('div', { className: 'filter' }, field, status)
  const rows = () => [...list.querySelectorAll('summary, a')].filter((row) => row.checkVisibility())
  const refresh = async () => {
    const typed = field.value.trim()
    const all = await operations()
    if (field.value.trim() !== typed) return // somebody went on typing
    const found = typed ? filtered(all, typed) : []
    show(typed, found)
    status.textContent = !typed ? '' : found.length === 1 ? '1 operation' : found.length ? `${found.length.toLocaleString('en')} operations` : 'No operation has all of that'
  }
  field.addEventListener('input', refresh)
  const keys = (event) => {
    const all = rows()
    const at = all.indexOf(document.activeElement)
    if (event.key === 'ArrowDown' && all[at + 1]) all[at + 1].focus()
    else if (event.key === 'ArrowUp' && at >= 0) (all[at - 1] ?? field).focus()
    else if (event.key === 'Escape' && field.value) { field.value = ''; field.focus(); refresh() }
    else if (event.key === 'Enter' && at < 0 && field.value) all.find((row) => row.matches('a'))?.click()
    else return
    event.preventDefault()
  }
  box.addEventListener('keydown', keys)
  list.addEventListener('keydown', keys)
  return box
}
