// A search over the guide and the reference.  The index and the list of operations are files beside the pages, which
// "make docs" makes; they are fetched when somebody wants to search, and looked through here.
//
// Every word that is typed has to be the beginning of a word in a section; the more of them its heading has, the
// further up it stands.  An operation's heading is its path, where most words are anyway, and counts less.
const MOST = 12

// Marks and letters apart, so that "e" finds "é"; what joins words in names is between words.
const wordsOf = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
const joined = (text) => ` ${wordsOf(text).join(' ')} `

let entries // a promise of them

const fetched = () => (entries ??= Promise.all([
  fetch('/search.json').then((answer) => answer.json()),
  import('/operations.js').then(({ operations, spoken }) => operations().then((all) => all.map(({ surface, group, method, path, id, summary, page }) =>
    ({ u: `${page}#${id}`, p: `${surface} / ${spoken(group)}`, h: `${method} ${path}`.trim(), t: `${summary} · ${id}`, isOperation: true })))),
]).then((both) => {
  const all = both.flat()
  for (const entry of all) Object.assign(entry, { heading: joined(entry.h), page: joined(entry.p), text: joined(entry.t) })
  return all
}))

// How well an entry answers; 0: it lacks a word.
function worth(entry, words) {
  const [whole, begun] = entry.isOperation ? [5, 3] : [12, 8]
  let sum = 0
  for (const word of words) {
    const inHeading = entry.heading.includes(` ${word} `) ? whole : entry.heading.includes(` ${word}`) ? begun : 0
    const inPage = entry.page.includes(` ${word}`) ? 4 : 0
    const inText = entry.text.includes(` ${word} `) ? 2 : entry.text.includes(` ${word}`) ? 1 : 0
    if (!inHeading && !inPage && !inText) return 0
    sum += inHeading + inPage + inText
  }
  const phrase = ` ${words.join(' ')}`
  if (words.length > 1) sum += entry.heading.includes(phrase) ? whole : entry.text.includes(phrase) ? 6 : 0
  return sum
}

const find = (all, words) => all
  .map((entry) => ({ entry, sum: worth(entry, words) }))
  .filter(({ sum }) => sum)
  .sort((a, b) => b.sum - a.sum)
  .slice(0, MOST)
  .map(({ entry }) => entry)

// A piece of the text around the first of the words.
function piece(text, words) {
  const at = Math.max(0, Math.min(...words.map((word) => text.toLowerCase().indexOf(word)).filter((n) => n >= 0), text.length) - 30)
  const from = at === text.length - 30 ? 0 : at && text.indexOf(' ', at) + 1
  return (from ? '… ' : '') + text.slice(from, from + 110) + (from + 110 < text.length ? ' …' : '')
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

const field = make('input', { type: 'search', placeholder: 'Search', autocomplete: 'off', ariaLabel: 'Search the guide and the reference' })
const list = make('ul', { hidden: true })
const status = make('p', { className: 'found', role: 'status' })
const box = make('div', { className: 'search', role: 'search' }, field, status, list)

async function search() {
  const words = wordsOf(field.value)
  const found = words.length ? find(await fetched(), words) : []
  if (wordsOf(field.value).join() !== words.join()) return // somebody went on typing
  list.replaceChildren(...found.map((entry) => make('li', {},
    make('a', { href: entry.u }, make('b', {}, entry.h || entry.p), make('i', {}, entry.h ? entry.p : ''), make('span', {}, piece(entry.t, words))))))
  list.hidden = !found.length
  status.textContent = !words.length ? '' : found.length === 1 ? '1 place' : found.length ? `${found.length} places` : 'Nothing has all of these words'
}

function leave() {
  field.value = ''
  search()
}

field.addEventListener('focus', fetched)
field.addEventListener('input', search)
list.addEventListener('click', (event) => { if (event.target.closest('a')) leave() })
box.addEventListener('keydown', (event) => {
  const links = [...list.querySelectorAll('a')]
  const at = links.indexOf(document.activeElement)
  if (event.key === 'Escape') { leave(); field.focus() }
  else if (event.key === 'Enter' && at < 0 && links.length) links[0].click()
  else if (event.key === 'ArrowDown' && links[at + 1]) links[at + 1].focus()
  else if (event.key === 'ArrowUp' && at >= 0) (links[at - 1] ?? field).focus()
  else return
  event.preventDefault()
})
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select, [contenteditable]')) return
  event.preventDefault()
  field.focus()
})
document.querySelector('.brand').after(box)
