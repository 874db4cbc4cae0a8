// The product's requests as they are answered: what came while one looked, the newest first.
import { html, useEffect, useRef, useState } from '../parts/html.js'
import { Problem } from '../parts/problem.js'
import { operation } from '../api/document.js'
import { stream } from '../session/session.js'
import { Table } from '../parts/table.js'
import { number } from '../parts/values.js'

const OPERATION = 'stream_platform_dashboard_requests'
const MOST = 200
const TRY_AGAIN_MS = 3000

// What an event stream says, piece by piece: the data of each event.
export function eventReader(onData) {
  let text = ''
  return (chunk) => {
    text += chunk
    const events = text.split(/\n\n/)
    text = events.pop()
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart()).join('\n')
      if (data) onData(JSON.parse(data))
    }
  }
}

const toneOf = (status) => (status >= 500 ? 'bad' : status >= 400 ? 'open' : 'good')

function View() {
  const [rows, set] = useState([])
  const [state, setState] = useState('connecting')
  const [isOn, setOn] = useState(true)
  const skipped = useRef(0)
  useEffect(() => {
    if (!isOn) { setState('stopped'); return undefined }
    let stop = null
    let timer = null
    let isOver = false
    const begin = () => {
      setState('connecting')
      stop = stream(operation(OPERATION).path, {
        headers: { Accept: 'text/event-stream' },
        onOpen: ({ status }) => setState(status === 200 ? 'listening' : status),
        onChunk: eventReader((one) => {
          skipped.current += one.skipped
          set((before) => [{ ...one, id: one.request_id }, ...before.filter(({ request_id: id }) => id !== one.request_id)].slice(0, MOST))
        }),
        onEnd: () => { if (!isOver) timer = setTimeout(begin, TRY_AGAIN_MS) },
      })
    }
    begin()
    return () => { isOver = true; clearTimeout(timer); stop?.() }
  }, [isOn])
  return html`<h1 tabindex="-1">Live requests</h1>
    <p class="lead">What your product is asked, as it is answered: at most 20 a second. The team's own requests are not among them, nor those without a token or a key.</p>
    <p class="row"><button type="button" class="other" onClick=${() => setOn(!isOn)}>${isOn ? 'Stop' : 'Go on'}</button>
      <button type="button" class="other" onClick=${() => { skipped.current = 0; set([]) }}>Clear</button>
      <span role="status">${typeof state === 'number' ? '' : state}${skipped.current > 0 ? `, ${number(skipped.current)} left out` : ''}</span></p>
    ${typeof state === 'number' && html`<${Problem} problem=${{ status: state, code: `HTTP ${state}`, message: 'The stream of requests does not open.', details: {} }} />`}
    <${Table} caption="Live requests" list=${{ rows, form: { sorts: [] }, isLoading: false }} state=${{}} change=${() => {}} empty="Nothing was asked yet."
      columns=${[
    { key: 'path', label: 'request', main: true, of: (row) => `${row.method} ${row.path}` },
    { key: 'status', show: (status, row) => html`<span class=${`state ${toneOf(status)}`}>${status}</span>${row.code && ` ${row.code}`}` },
    { key: 'duration_ms', label: 'took', of: (row) => `${number(Math.round(row.duration_ms * 10) / 10)} ms` },
    { key: 'user', label: 'who', of: (row) => row.user ?? 'a key' },
    { key: 'request_id', label: 'request id', as: 'code', wide: true },
    { key: 'at', label: 'when', as: 'datetime', wide: true },
  ]} />`
}

export const live = { path: 'live', title: 'Live requests', group: 'Run', needs: OPERATION, View }
