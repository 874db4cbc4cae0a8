// How values are written, for people.  Each is a function of a value that gives text or an element; a column's .as names one.
import { html } from './html.js'

const NONE = html`<span class="faint" aria-label="none">–</span>`
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const plain = new Intl.NumberFormat()
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })
const STEPS = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]]

export const isNone = (value) => value === null || value === undefined || value === ''

// A time that cannot be read stays as it came.
const written = (format, value) => (Number.isNaN(Date.parse(value)) ? String(value) : format.format(new Date(value)))

export function ago(value) {
  const seconds = (Date.parse(value) - Date.now()) / 1000
  const [unit, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? ['second', 1]
  return relative.format(Math.round(seconds / size), unit)
}

export function bytes(value) {
  const n = Number(value)
  const step = Math.max(0, Math.min(5, Math.floor(Math.log2(Math.max(1, Math.abs(n))) / 10)))
  return `${plain.format(Math.round((n / 1024 ** step) * 10) / 10)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][step]}`
}

export const number = (value) => plain.format(value)
export const percent = (value) => `${plain.format(Math.round(value * 10) / 10)} %`
export const money = (value, currency = 'usd') => new Intl.NumberFormat(undefined, { style: 'currency', currency: currency.toUpperCase() }).format(value)
export const words = (value) => String(value).replaceAll('_', ' ')

// Good, bad and in between: by its word as well as by its colour.
const TONE = {
  good: ['active', 'delivered', 'completed', 'processed', 'succeeded', 'on', 'yes', 'true', 'paid', 'accepted'],
  bad: ['failed', 'dead', 'revoked', 'deactivated', 'expired', 'past_due', 'unpaid', 'error', 'critical'],
  open: ['invited', 'pending', 'received', 'queued', 'running', 'waiting', 'retrying', 'trialing', 'scheduled'],
}
const toneOf = (value) => Object.keys(TONE).find((tone) => TONE[tone].includes(String(value).toLowerCase())) ?? 'plain'

export const as = {
  text: (value) => String(value),
  words,
  number,
  bytes,
  percent,
  money,
  datetime: (value) => html`<time datetime=${value} title=${value}>${written(dateTime, value)}</time>`,
  date: (value) => html`<time datetime=${value}>${written(dateOnly, value)}</time>`,
  ago: (value) => html`<time datetime=${value} title=${written(dateTime, value)}>${ago(value)}</time>`,
  code: (value) => html`<code>${String(value)}</code>`,
  yes: (value) => (value ? 'yes' : 'no'),
  state: (value) => html`<span class=${`state ${toneOf(value)}`}>${words(value)}</span>`,
  on: (value) => html`<span class=${`state ${value ? 'good' : 'plain'}`}>${value ? 'on' : 'off'}</span>`,
  list: (value) => (value.length ? value.join(', ') : NONE),
  json: (value) => html`<pre class="answer" tabindex="0"><code>${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}</code></pre>`,
}

// What a column shows of a row: its own .show, else the value by .as, else by what it is.
export function shown(column, row) {
  const value = column.of ? column.of(row) : row[column.key]
  if (column.show) return column.show(value, row)
  if (isNone(value)) return NONE
  if (column.as) return as[column.as](value)
  if (typeof value === 'boolean') return as.yes(value)
  if (typeof value === 'number') return number(value)
  if (Array.isArray(value)) return as.list(value.map((one) => (typeof one === 'object' ? JSON.stringify(one) : one)))
  if (typeof value === 'object') return as.json(value)
  return /^\d{4}-\d\d-\d\dT\d\d:/.test(value) ? as.datetime(value) : value
}

// Names and values beside each other; columns as in a table.
export function Facts({ columns, row }) {
  return html`<dl class="facts">${columns.map((column) => html`<div key=${column.key}><dt>${column.label ?? words(column.key)}</dt><dd>${shown(column, row)}</dd></div>`)}</dl>`
}
