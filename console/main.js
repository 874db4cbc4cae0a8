// The console: a session, the API's description, and the frame; or signing in, where there is nobody.
import { ready } from './api/document.js'
import { html, render, useEffect, useState } from './parts/html.js'
import { Frame } from './parts/frame.js'
import { Problem } from './parts/problem.js'
import { SignIn } from './parts/signin.js'
import { connect, current, watch } from './session/session.js'

function App() {
  const [, draw] = useState(0)
  const [state, set] = useState({ isReady: false, problem: null })
  const who = current()
  useEffect(() => watch(() => draw((n) => n + 1)), [])
  const load = () => ready().then(() => set({ isReady: true }), (error) => set({ problem: { status: 0, code: 'NO_DOCUMENT', message: `The API's description did not come: ${error.message}` } }))
  useEffect(() => {
    if (!who) return
    set({ isReady: false })
    load()
  }, [who?.kind, who?.id])
  if (!who) return html`<${SignIn} />`
  if (state.problem) return html`<main id="main" class="signin"><h1>Console</h1><${Problem} problem=${state.problem} retry=${load} /></main>`
  return state.isReady ? html`<${Frame} key=${who.id} />` : html`<main id="main" class="signin"><h1>Console</h1><p aria-busy="true">Loading …</p></main>`
}

const place = document.body
place.replaceChildren()
connect().then(() => render(html`<${App} />`, place), () => render(html`<main id="main" class="signin"><h1>Console</h1>
  <p>This browser does not have what the console keeps a session in (SharedWorker, in all current browsers but Chrome for Android). Use another one, or the command line: <a href="/command-line.html">ashlar</a>.</p></main>`, place))
