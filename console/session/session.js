// A tab's end of the session (worker.js): what is asked there, and who is signed in.
//
//	await connect()		the session there is, or null; throws where a browser has no SharedWorker
//	current(), why()	who is signed in, and why nobody is
//	watch(f)		f() whenever that changes; gives what ends it
//	await call({ method, path, headers, body, timeout })
//	stream(path, { headers, onOpen, onChunk, onEnd })	gives what stops it
//	signIn, verify, signOut, testMode			see worker.js
let port = null
let session = null
let reason = null
let last = 0
const waiting = new Map()
const watchers = new Set()
const tab = crypto.randomUUID() // ids of several tabs meet in the worker

export const current = () => session
export const why = () => reason

export function watch(f) {
  watchers.add(f)
  return () => watchers.delete(f)
}

function receive({ data }) {
  if ('session' in data) {
    session = data.session
    reason = data.why ?? null
    for (const f of watchers) f()
    return
  }
  waiting.get(data.id)?.(data)
}

// Where a browser has Trusted Types, and the page's policy asks for them, an address of a script has to be one.
const trusted = (url) => globalThis.trustedTypes?.createPolicy('ashlar', { createScriptURL: (text) => text }).createScriptURL(url) ?? url

export function connect() {
  if (!globalThis.SharedWorker) throw new Error('no SharedWorker')
  // A page that is loaded anew is no end: where that is known, the worker waits for it a while.
  const worker = new SharedWorker(trusted(document.documentElement.dataset.worker), { name: 'ashlar', extendedLifetime: true })
  port = worker.port
  return new Promise((done, failed) => {
    worker.onerror = () => failed(new Error('the worker does not start'))
    const forget = watch(() => { forget(); done(session) })
    port.onmessage = receive
    port.postMessage({ do: 'hello' })
    addEventListener('pagehide', () => port.postMessage({ do: 'bye' }))
    addEventListener('pageshow', ({ persisted }) => persisted && port.postMessage({ do: 'hello' }))
  })
}

function ask(message) {
  const id = `${tab}.${++last}`
  return new Promise((done) => {
    waiting.set(id, (data) => { waiting.delete(id); done(data) })
    port.postMessage({ id, ...message })
  })
}

export const call = (request) => ask({ do: 'call', ...request })
export const signIn = (who) => ask({ do: 'signIn', ...who })
export const verify = (code) => ask({ do: 'verify', code })
export const signOut = () => ask({ do: 'signOut' })
export const testMode = (on) => ask({ do: 'testMode', on })

export function stream(path, { headers = {}, onOpen, onChunk, onEnd }) {
  const id = `${tab}.${++last}`
  waiting.set(id, (data) => {
    if ('status' in data) onOpen?.(data)
    if ('chunk' in data) onChunk?.(data.chunk)
    if (data.end) { waiting.delete(id); onEnd?.() }
  })
  port.postMessage({ id, do: 'stream', path, headers })
  return () => port.postMessage({ do: 'stop', of: id })
}
