// Webhooks that others send: what came, what was made of it, with the body, and having it processed again.
import { callOperation } from '../api/call.js'
import { firstOf } from '../api/document.js'
import { html, useState } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { Problem } from '../parts/problem.js'
import { resource } from '../parts/resource.js'
import { href } from '../parts/router.js'
import { say } from '../parts/say.js'
import { as, Facts } from '../parts/values.js'

const ONE = ['get_platform_dashboard_webhook_event', 'get_app_received_webhook']
const REPLAY = ['replay_platform_dashboard_webhook_event', 'replay_app_received_webhook']
const SAID = 'It is processed again.'

function Detail({ id }) {
  const [problem, setProblem] = useState(null)
  const path = { webhook_event_id: id }
  async function again(reload) {
    const answer = await callOperation(firstOf(REPLAY), { path })
    setProblem(answer.problem)
    if (answer.ok) say(SAID)
    reload()
  }
  return html`<p><a href=${href('webhook-events')}>All webhooks received</a></p>
    <${Load} id=${firstOf(ONE)} path=${path}>${(row, reload) => html`
      <h1 tabindex="-1">${row.type}</h1>
      <${Facts} row=${row} columns=${[
    { key: 'provider' },
    { key: 'state', as: 'state' },
    { key: 'error', label: 'why' },
    { key: 'event_id', label: 'its id there', as: 'code' },
    { key: 'object_key', label: 'about', as: 'code' },
    { key: 'occurred_at', label: 'happened', as: 'datetime' },
    { key: 'created_at', label: 'received', as: 'datetime' },
    { key: 'processed_at', label: 'processed', as: 'datetime' },
    { key: 'attempts' },
    { key: 'replays', label: 'asked for again' },
  ]} />
      <${Problem} problem=${problem} />
      <p><button type="button" onClick=${() => again(reload)}>Process again</button></p>
      <h2>Body</h2><p class="faint">Without passwords, tokens and the like.</p>${as.json(row.payload)}`}<//>`
}

export const webhookEvents = resource({
  path: 'webhook-events', title: 'Webhooks received', group: 'Build',
  about: html`What payment and identity providers have told, for 90 days: <a href="/webhooks-in.html" target="_blank" rel="noopener">the guide</a>. What failed can be processed again.`,
  list: ['list_platform_dashboard_webhook_events', 'list_app_received_webhooks'],
  name: (row) => row.type,
  columns: [
    { key: 'type', main: true, show: (type, row) => html`<a href=${href('webhook-events', row.id)}>${type}</a>` },
    { key: 'provider' },
    { key: 'state', as: 'state' },
    { key: 'error', label: 'why', wide: true },
    { key: 'attempts', wide: true },
    { key: 'created_at', label: 'received', as: 'ago' },
  ],
  empty: 'Nobody has sent anything yet.',
  actions: [{ operation: REPLAY, label: 'Process again', said: SAID }],
  detail: Detail,
})
