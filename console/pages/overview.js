// The first page: how the product is used this month, in numbers and over time.
import { firstOf } from '../api/document.js'
import { Chart } from '../parts/chart.js'
import { html } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { bytes, money, number } from '../parts/values.js'

const DAY_MS = 86_400_000
const dayOf = (time) => new Date(time).toISOString().slice(0, 10)

// One column a day, also of those on which nothing was.
export function byDay(points, from, to, value) {
  const sums = Map.groupBy(points, ({ bucket }) => dayOf(bucket))
  const days = []
  for (let at = Date.parse(dayOf(from)); at <= Date.parse(to); at += DAY_MS) {
    const label = dayOf(at)
    days.push({ label, value: (sums.get(label) ?? []).reduce((sum, point) => sum + value(point), 0) })
  }
  return days
}

const Numbers = ({ those }) => html`<ul class="numbers">${those.map(([label, value, about]) => html`<li key=${label}>${label}<strong>${value}</strong><span class="faint">${about}</span></li>`)}</ul>`

const ms = (value) => (value === null ? 'none yet' : `${number(value)} ms`)

function Product({ data: { users, organizations, subscriptions, usage, agents, files, requests, jobs, webhooks } }) {
  return html`<${Numbers} those=${[
    ['Requests', number(requests.requests), `${number(requests.client_errors)} refused, ${number(requests.server_errors)} failed`],
    ['Answered within', ms(requests.p50_ms), requests.p95_ms === null ? '' : `half of them; 95 % in ${ms(requests.p95_ms)}, 99 % in ${ms(requests.p99_ms)}`],
    ['Jobs waiting', number(jobs.waiting), `${number(jobs.running)} run, ${number(jobs.scheduled)} are for later, ${number(jobs.failed)} failed`],
    ['Webhooks failing', number(webhooks.failing), `of ${number(webhooks.active)}; ${number(webhooks.disabled)} were switched off for it`],
    ['Users', number(users.total), `${number(users.active)} active, ${number(users.new)} new`],
    ['Organizations', number(organizations.total), `${number(organizations.new)} new`],
    ['Subscriptions', number(subscriptions.active), `${number(subscriptions.trialing)} on trial, ${number(subscriptions.past_due)} past due`],
    ['Income a month', money(subscriptions.mrr), 'of active subscriptions'],
    ['Model answers', number(usage.messages), `${number(usage.total_tokens)} tokens`],
    ['Models cost', money(usage.cost_usd), 'this month'],
    ['Agents', number(agents.executions), `${number(agents.failed)} failed`],
    ['Storage', bytes(files.bytes), `${number(files.count)} files`],
  ]} />`
}

const hourOf = (time) => new Date(time).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
const byHour = (points, value) => points.map((point) => ({ label: hourOf(point.bucket), value: value(point) }))

// The last day, by the hour.
const Traffic = () => html`<div class="charts"><${Load} id="list_platform_request_hours">${({ points }) => html`
    <${Chart} title="Requests by hour" points=${byHour(points, ({ requests }) => requests)} />
    <${Chart} title="Errors by hour" points=${byHour(points, ({ client_errors: refused, server_errors: failed }) => refused + failed)} />
    <${Chart} title="95 % were answered within, in ms" points=${byHour(points, ({ p95_ms: within }) => within ?? 0)} sums=${false} />`}<//></div>`

// What an administrator of the product gets: admin/dashboard/stats.
function Stats({ data: { users, subscriptions, webhooks, jobs } }) {
  return html`<${Numbers} those=${[
    ['Users', number(users.total), `${number(users.active)} active, ${number(users.new_last_30_days)} new in 30 days`],
    ['Subscriptions', number(subscriptions.active), Object.entries(subscriptions.by_plan).map(([plan, n]) => `${plan} ${number(n)}`).join(', ')],
    ['Webhooks received', number(webhooks.total), `${number(webhooks.failed)} failed, ${number(webhooks.pending)} waiting`],
    ['Jobs waiting', number(jobs.queued), `${number(jobs.completed_last_24h)} done, ${number(jobs.failed_last_24h)} failed in 24 hours`],
  ]} />`
}

function View() {
  const team = firstOf('get_platform_analytics_overview')
  const admin = firstOf('get_app_dashboard_stats')
  return html`<h1 tabindex="-1">Overview</h1>
    <p class="lead">This month, by UTC. What was used is some seconds behind.</p>
    ${team && html`<${Load} id=${team}>${(data) => html`<${Product} data=${data} />`}<//>
      <${Traffic} />
      <div class="charts"><${Load} id="get_platform_analytics_usage">${({ points, period_start: from, period_end: to }) => html`
        <${Chart} title="Model answers by day" points=${byDay(points, from, to, ({ messages }) => messages)} />
        <${Chart} title="Tokens by day" points=${byDay(points, from, to, ({ total_tokens: n }) => n)} />
        <${Chart} title="What models cost by day" format=${money} points=${byDay(points, from, to, ({ cost_usd: n }) => n)} />`}<//></div>`}
    ${admin && html`<${Load} id=${admin}>${(data) => html`<${Stats} data=${data} />`}<//>`}`
}

export const overview = { path: '', title: 'Overview', group: 'Product', needs: ['get_platform_analytics_overview', 'get_app_dashboard_stats'], View }
