// What stands around every page: who is signed in, where one can go, and the page itself, which has the focus when it is new.
import { firstOf } from '../api/document.js'
import { current, signOut, testMode } from '../session/session.js'
import { pages } from '../pages/index.js'
import { Asked } from './dialog.js'
import { html, useEffect, useRef, useState } from './html.js'
import { href, useRoute } from './router.js'
import { Said } from './say.js'

// A page is there for who may call what it needs; one that needs nothing is there for all.
const mayOpen = (page) => (page.for ? page.for(current()) : true) && (!page.needs || Boolean(firstOf(page.needs)))

function Menu({ open, at, onGo }) {
  const groups = Map.groupBy(pages.filter((page) => page.title && mayOpen(page)), ({ group }) => group)
  return html`<nav class="menu-pages" id="pages" aria-label="Console" data-open=${open ? 'true' : 'false'}>
    ${[...groups].map(([group, those]) => html`<section key=${group}><h2>${group}</h2>
      <ul>${those.map((page) => html`<li key=${page.path}><a href=${href(page.path)} aria-current=${page.path === at ? 'page' : undefined} onClick=${onGo}>${page.title}</a></li>`)}</ul></section>`)}
  </nav>`
}

export function Frame() {
  const route = useRoute()
  const who = current()
  const [isOpen, setOpen] = useState(false)
  const main = useRef()
  const page = pages.find(({ path }) => path === route.page)
  const isThere = page && mayOpen(page)
  const where = `${route.page}/${route.rest.join('/')}`
  const isFirst = useRef(true)

  // A screen reader goes on with the new page's heading, and not where the link was.
  useEffect(() => {
    const heading = main.current.querySelector('h1')
    document.title = `${heading?.textContent ?? 'Console'} · Ashlar console`
    if (!isFirst.current) heading?.focus()
    isFirst.current = false
    setOpen(false)
  }, [where])

  return html`
    <a class="skip" href="#main">Skip to the page</a>
    <header>
      <a class="brand" href=${href()}><strong>Ashlar</strong> <span>console</span></a>
      <span class="who"><strong>${who.name}</strong><span class="faint"> ${who.role}${who.tenant && ` of ${who.tenant}`}</span></span>
      <nav aria-label="Elsewhere"><a href="/" target="_blank" rel="noopener">Guide</a><a href="/reference.html" target="_blank" rel="noopener">Reference</a></nav>
      ${who.kind === 'team' && html`<label class="choice mode"><input type="checkbox" checked=${who.testMode} onChange=${(event) => testMode(event.target.checked)} /> Test mode</label>`}
      <button type="button" class="other small" onClick=${signOut}>Sign out</button>
      <button type="button" class="other small menu" aria-expanded=${isOpen ? 'true' : 'false'} aria-controls="pages" onClick=${() => setOpen(!isOpen)}>Menu</button>
    </header>
    ${who.testMode && html`<p class="banner" role="status">Test mode: what is shown and changed is of the test mode, apart from what is live.</p>`}
    <div class="page">
      <${Menu} open=${isOpen} at=${route.page} onGo=${() => setOpen(false)} />
      <main id="main" ref=${main} key=${`${where} ${who.testMode}`}>
        ${isThere ? html`<${page.View} route=${route} />` : html`<h1 tabindex="-1">${page ? 'Not for you' : 'Not found'}</h1>
          <p>${page ? 'Your role does not include this page.' : 'There is no such page in the console.'} <a href=${href()}>Go to the first one.</a></p>`}
      </main>
    </div>
    <${Said} /><${Asked} />`
}
