// What the reference has more where there is JavaScript: a filter on its first page; on that of a group what an address names is unfolded.
import { filter, groups, make, operations, spoken } from '/operations.js'

const surfaces = document.getElementById('surfaces')

// Few are shown at once, many by group.
const FEW = 40

if (surfaces) {
  const list = make('div', { className: 'operations', hidden: true })
  surfaces.before(filter(list, (typed, found) => {
    surfaces.hidden = Boolean(typed)
    list.hidden = !typed
    list.replaceChildren(...groups(found, {
      title: ({ surface, group }) => `${surface} / ${spoken(group)}`,
      href: ({ page, id }) => `${page}#${id}`,
      open: () => found.length <= FEW,
    }))
  }), list)
}

// Unfold what the address names, and that in which it is.  All operations had one page once: an address of that is still good.
async function unfold() {
  const id = decodeURIComponent(location.hash.slice(1))
  const named = document.getElementById(id)
  for (let at = named; at; at = at.parentElement?.closest('details')) if (at.matches('details')) at.open = true
  named?.scrollIntoView()
  if (named || !id) return
  const operation = (await operations()).find((one) => one.id === id)
  if (operation) location.replace(`${operation.page}#${id}`)
}
addEventListener('hashchange', unfold)
unfold()

const all = document.querySelectorAll('.operation, .object')
if (all.length > 1) {
  const button = make('button', { type: 'button', className: 'other unfold', textContent: 'Unfold all' })
  button.addEventListener('click', () => {
    const open = [...all].some((one) => !one.open)
    for (const one of all) one.open = open
    button.textContent = open ? 'Fold all' : 'Unfold all'
  })
  document.querySelector('h1').after(button)
}
