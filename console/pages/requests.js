// Any operation of the API, asked with the session that is here: its parameters as a form, and the answer as it came.
import { ALL, describe, mayCall, operation, operations } from '../api/document.js'
import { Form } from '../parts/form.js'
import { html, useEffect, useState } from '../parts/html.js'
import { href, setQuery } from '../parts/router.js'
import { number } from '../parts/values.js'

const MOST = 60

// All words are in its method, path, id or summary.
const fits = (op, words) => words.every((word) => `${op.method} ${op.path} ${op.id} ${op.summary}`.toLowerCase().includes(word))

function Choice({ query }) {
  const words = (query.q ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const found = operations().filter((op) => (query.all || mayCall(op.id)) && fits(op, words))
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <div class="grow"><label for="q">Search</label><input id="q" type="search" value=${query.q ?? ''} onInput=${(event) => setQuery({ q: event.target.value })} /></div>
      <label class="choice"><input type="checkbox" checked=${Boolean(query.all)} onChange=${(event) => setQuery({ all: event.target.checked ? '1' : null })} /> also what this session may not call</label>
    </form>
    <p class="paging" role="status">${number(found.length)} operations${found.length > MOST ? `, of which these are the first ${MOST}` : ''}</p>
    <ul class="operations">${found.slice(0, MOST).map((op) => html`<li key=${op.id}><a href=${href('requests', op.id)}><span class=${`method ${op.method.toLowerCase()}`}>${op.method}</span> <code>${op.path}</code></a> <span class="faint">${op.summary}</span></li>`)}</ul>`
}

function pretty({ body, headers }) {
  if (typeof body !== 'string') return body ? `${number(body.size)} bytes of ${body.type || 'something'}` : ''
  if (!/json/.test(headers['content-type'] ?? '')) return body
  try { return JSON.stringify(JSON.parse(body), null, 2) } catch { return body }
}

function Answer({ answer }) {
  if (!answer.status) return html`<p>${answer.problem.message}</p>`
  return html`<p><strong class=${`state ${answer.ok ? 'good' : 'bad'}`}>${answer.status}</strong> in ${number(answer.ms)} ms</p>
    <pre tabindex="0" aria-label="Body"><code>${pretty(answer)}</code></pre>
    <details><summary>Headers</summary><pre tabindex="0" aria-label="Headers"><code>${Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`).join('\n')}</code></pre></details>`
}

function Runner({ id }) {
  const [answer, setAnswer] = useState(null)
  const op = operation(id)
  if (!op) return html`<h1 tabindex="-1">Requests</h1><p>There is no operation <code>${id}</code>.</p>`
  const isFile = op.bodyTypes.length > 0 && !op.body
  return html`<h1 tabindex="-1">${op.summary}</h1>
    <p><span class=${`method ${op.method.toLowerCase()}`}>${op.method}</span> <code>${op.path}</code> · <a href=${href('requests')}>All operations</a></p>
    <p class="lead">${op.description}</p>
    ${!mayCall(id) && html`<p class="note">This session may not call it; the answer will say so.</p>`}
    ${isFile ? html`<p>It takes ${op.bodyTypes.join(', ')}, which cannot be written here.</p>`
    : html`<${Form} key=${id} id=${id} asksQuery action="Send" onAnswer=${setAnswer} />`}
    <section aria-live="polite">${answer && html`<h2>Answer</h2><${Answer} answer=${answer} />`}</section>`
}

function View({ route }) {
  const [isHere, setHere] = useState(false)
  useEffect(() => { describe(...ALL).then(() => setHere(true)) }, [])
  if (!isHere) return html`<h1 tabindex="-1">Requests</h1><p class="empty" aria-busy="true">Loading …</p>`
  return route.rest[0] ? html`<${Runner} key=${route.rest[0]} id=${route.rest[0]} />` : html`<h1 tabindex="-1">Requests</h1>
    <p class="lead">Every operation of the API, to be tried with the session that you are signed in with. What is changed is changed.</p><${Choice} query=${route.query} />`
}

export const requests = { path: 'requests', title: 'Requests', group: 'Build', View }
