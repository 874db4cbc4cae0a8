// Which page is shown: /console/<page>/<rest>?<state>.
//
//	useRoute()		{ page, rest, query }, and the component is drawn anew when that changes
//	go(to, { replace })	to another place in the console; a link inside of it does the same by itself
//	href(page, ...rest)	its address
//	setQuery({ … })		what a list shows is in the address, too, so that going back finds it; null takes a member away
import { useEffect, useState } from './html.js'

const BASE = '/console'
const watchers = new Set()

export const href = (page = '', ...rest) => [BASE, page, ...rest].filter(Boolean).map((part, i) => (i ? encodeURIComponent(part) : part)).join('/')

export function route() {
  const [page = '', ...rest] = location.pathname.slice(BASE.length).split('/').filter(Boolean).map(decodeURIComponent)
  return { page, rest, query: Object.fromEntries(new URLSearchParams(location.search)) }
}

function changed() {
  for (const f of watchers) f()
}

export function go(to, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', to)
  if (!replace) scrollTo(0, 0)
  changed()
}

export function setQuery(members) {
  const asked = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(members)) {
    if (value === null || value === undefined || value === '') asked.delete(name)
    else asked.set(name, value)
  }
  go(location.pathname + (asked.size ? `?${asked}` : ''), { replace: true })
}

addEventListener('popstate', changed)
addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]')
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.hasAttribute('download')) return
  if (link.origin !== location.origin || !(link.pathname === BASE || link.pathname.startsWith(`${BASE}/`)) || (link.hash && link.pathname === location.pathname)) return
  event.preventDefault()
  go(link.href)
})

export function useRoute() {
  const [now, set] = useState(route)
  useEffect(() => {
    const f = () => set(route())
    watchers.add(f)
    return () => watchers.delete(f)
  }, [])
  return now
}
