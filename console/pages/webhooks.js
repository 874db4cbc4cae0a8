// Webhooks that the tenant's events are sent to: what was delivered, with bodies and answers, and delivering again.
import { callOperation } from '../api/call.js'
import { mayCall } from '../api/document.js'
import { reveal } from '../parts/dialog.js'
import { html, useState } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { Problem } from '../parts/problem.js'
import { Resource, resource } from '../parts/resource.js'
import { href } from '../parts/router.js'
import { say } from '../parts/say.js'
import { Facts } from '../parts/values.js'

const secret = (webhook) => reveal({
  title: `The secret of “${webhook.name}”`,
  text: 'What you receive is verified with it. This is the only time that it is shown.',
  secret: webhook.secret,
})

const delivery = [
  { key: 'event', main: true },
  { key: 'status', as: 'state' },
  { key: 'attempts' },
  { key: 'status_code', label: 'answer' },
  { key: 'error', wide: true },
  { key: 'is_redelivery', label: 'again', wide: true },
  { key: 'created_at', label: 'made', as: 'ago' },
]

const deliveries = (webhook) => ({
  path: 'webhooks', title: 'Deliveries',
  list: 'list_platform_webhook_deliveries', columns: delivery, name: (row) => row.event,
  empty: 'Nothing was sent to it yet.',
  actions: [
    { label: 'Look', href: (row) => href('webhooks', webhook, row.id) },
    { operation: 'redeliver_platform_webhook_delivery', label: 'Deliver again', said: 'It is delivered again.' },
  ],
})

const Attempt = ({ one }) => html`<section class="attempt">
  <h3>Attempt ${one.number}</h3>
  <${Facts} row=${one} columns=${[{ key: 'attempted_at', label: 'at', as: 'datetime' }, { key: 'status_code', label: 'answer' }, { key: 'latency_ms', label: 'took, in ms' }, { key: 'error' },
    { key: 'request_headers', label: 'headers sent' }, { key: 'response_head', label: 'headers of the answer', as: 'json' }, { key: 'response_body', label: 'its beginning', as: 'json' }]} />
</section>`

function Delivery({ webhook, id }) {
  const [problem, setProblem] = useState(null)
  const path = { webhook_id: webhook, delivery_id: id }
  async function again(reload) {
    const answer = await callOperation('redeliver_platform_webhook_delivery', { path })
    setProblem(answer.problem)
    if (answer.ok) say('It is delivered again.')
    reload()
  }
  return html`<h1 tabindex="-1">Delivery</h1>
    <p><a href=${href('webhooks', webhook)}>Back to the webhook</a></p>
    <${Load} id="get_platform_webhook_delivery" path=${path}>${(row, reload) => html`
      <${Facts} row=${row} columns=${[...delivery, { key: 'message_id', label: 'webhook-id', as: 'code' }, { key: 'next_attempt_at', label: 'next attempt', as: 'datetime' }]} />
      <${Problem} problem=${problem} />
      ${mayCall('redeliver_platform_webhook_delivery') && html`<p><button type="button" onClick=${() => again(reload)}>Deliver again</button></p>`}
      <h2>Body</h2><pre tabindex="0"><code>${JSON.stringify(row.payload, null, 2)}</code></pre>
      ${row.history.map((one) => html`<${Attempt} key=${one.number} one=${one} />`)}`}<//>`
}

function Webhook({ id, rest, route }) {
  if (rest[0]) return html`<${Delivery} webhook=${id} id=${rest[0]} />`
  return html`<${Load} id="get_platform_webhook" path=${{ webhook_id: id }}>${(row) => html`<h1 tabindex="-1">${row.name}</h1>
      <p><a href=${href('webhooks')}>All webhooks</a></p>
      <${Facts} row=${row} columns=${[{ key: 'url', as: 'code' }, { key: 'is_active', label: 'state', as: 'on' }, { key: 'disabled_reason', label: 'why it is off' }, { key: 'events' },
    { key: 'success_count', label: 'delivered' }, { key: 'failure_count', label: 'failed' }, { key: 'last_triggered_at', label: 'last', as: 'ago' }, { key: 'last_status_code', label: 'last answer' }]} />`}<//>
    <h2>Deliveries</h2>
    <${Resource} page=${deliveries(id)} path=${{ webhook_id: id }} route=${route} />`
}

export const webhooks = resource({
  path: 'webhooks', title: 'Webhooks sent', group: 'Build',
  about: html`Servers of yours that hear what happens in the tenant, signed and sent until they take it: <a href="/webhooks-out.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_webhooks',
  columns: [
    { key: 'name', main: true, show: (name, row) => html`<a href=${href('webhooks', row.id)}>${name}</a>` },
    { key: 'url', as: 'code' },
    { key: 'is_active', label: 'state', as: 'on' },
    { key: 'events', wide: true },
    { key: 'success_count', label: 'delivered' },
    { key: 'failure_count', label: 'failed' },
    { key: 'last_triggered_at', label: 'last', as: 'ago', wide: true },
  ],
  empty: 'Nobody is told of anything yet.',
  create: { operation: 'create_platform_webhook', label: 'Add a webhook', done: secret, said: 'The webhook is added.' },
  update: { operation: 'update_platform_webhook', labels: { is_active: 'switched on' } },
  actions: [
    { operation: 'test_platform_webhook', label: 'Test', form: true, done: (data) => say(data.message), said: 'The test was sent.' },
    {
      operation: 'renew_platform_webhook_secret', label: 'New secret', title: 'Replace the secret?', done: secret,
      text: () => 'For 24 hours messages are signed with both, so that receivers can be changed in peace.', said: 'The secret is replaced.',
    },
  ],
  remove: { operation: 'delete_platform_webhook', title: 'Delete the webhook?', text: (row) => `“${row.name}” is told of nothing any more, and what has not been delivered is dropped.`, said: 'The webhook is deleted.' },
  detail: Webhook,
})
