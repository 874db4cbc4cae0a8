// The session, in the memory of a SharedWorker: tokens are here and nowhere else, so that no page, no storage and no cookie holds
// one.  All tabs of a browser share it; with the last of them it is gone, and a new browser signs in again.
//
// A tab sends { id, do, … } and gets { id, … } back:
//
//	call	method, path, headers, body, timeout	{ status, headers, body, ms }, or { failure: 'network' | 'timeout' }
//	stream	path, headers				{ status, headers }, then { chunk }…, and { end: true }
//	stop	of: the stream's id
//	signIn	kind, email, password, key		{ answer }, or { mfa: true }: a second factor is asked for
//	verify	code					{ answer }
//	signOut						{}
//	testMode	on				{}
//	hello, bye	a tab comes and goes
//
// To every tab goes { session }, and why it ended: what a page may know of who is signed in.
//
// Two kinds of people sign in: who is in a tenant's team, and a product's user whose role is admin or superadmin.  Each has
// addresses of their own for it; the rest is the same.
const KINDS = {
  team: { signIn: '/api/v1/tenant-auth/login', verify: '/api/v1/tenant-auth/mfa/verify', refresh: '/api/v1/tenant-auth/refresh', signOut: '/api/v1/tenant-auth/logout' },
  user: { signIn: '/api/v1/auth/login', verify: '/api/v1/auth/mfa/verify', refresh: '/api/v1/auth/refresh', signOut: '/api/v1/auth/logout' },
}
const TIMEOUT_MS = 60_000
const EARLY_MS = 30_000 // a token that is about to expire is not sent any more

const tabs = new Set()
const streams = new Map()
let tokens = null // { kind, key, access, refresh, until, turn, refreshing }: of one sign-in; another one is another object
let session = null // what the tabs know
let challenge = null // between password and second factor

function tell(why) {
  for (const tab of tabs) tab.postMessage({ session, why })
}

function end(why) {
  tokens = session = challenge = null
  for (const stream of streams.values()) stream.abort()
  tell(why)
}

// An answer as it can be sent to a tab; never a rejection.
async function ask(method, path, { headers = {}, body, timeout = TIMEOUT_MS } = {}) {
  const began = performance.now()
  try {
    const init = { method, headers, body, credentials: 'omit', cache: 'no-store', redirect: 'manual', signal: AbortSignal.timeout(timeout) }
    const response = await fetch(new URL(path, location.origin), init)
    const isText = /json|^text\/|xml|^$/.test(response.headers.get('Content-Type') ?? '')
    const content = isText ? await response.text() : await response.blob()
    return { status: response.status, headers: Object.fromEntries(response.headers), body: content, ms: Math.round(performance.now() - began) }
  } catch (error) {
    return { failure: error.name === 'TimeoutError' ? 'timeout' : 'network', ms: Math.round(performance.now() - began) }
  }
}

const json = (answer) => {
  try { return JSON.parse(answer.body) } catch { return null }
}
const ownKey = (key) => (key ? { 'X-API-Key': key } : {})
const send = (path, body, key) => ask('POST', path, { headers: { 'Content-Type': 'application/json', ...ownKey(key) }, body: JSON.stringify(body) })

function renew(of, { access_token, refresh_token, expires_in }) {
  Object.assign(of, { access: access_token, refresh: refresh_token ?? of.refresh, until: Date.now() + expires_in * 1000 - EARLY_MS, turn: of.turn + 1 })
}

// Once for all tabs: whoever comes meanwhile waits for the same answer.  What comes when somebody has signed out, or in anew, is
// about nobody any more.
function refresh(of) {
  of.refreshing ??= (async () => {
    const answer = await send(KINDS[of.kind].refresh, { refresh_token: of.refresh }, of.key)
    if (of !== tokens) return answer
    if (answer.status === 200) renew(of, json(answer))
    else if (answer.status === 401 || answer.status === 403) end('expired')
    return answer
  })().finally(() => { of.refreshing = null })
  return of.refreshing
}

async function credentials(of) {
  if (of && of === tokens && Date.now() > of.until) await refresh(of)
  return of && of === tokens ? { Authorization: `Bearer ${of.access}`, ...ownKey(of.key) } : null
}

// A call is of the sign-in that it began with, and says nothing of another one: neither is it sent again as somebody else, nor
// does its refusal end what has begun since.
async function call({ method, path, headers, body, timeout }) {
  if (!/^\/[^/\\]/.test(path)) return { failure: 'network', ms: 0 } // of this host, and no other's
  const of = tokens
  for (let again = false; ; again = true) {
    const own = await credentials(of)
    if (!own) return { status: 401, headers: {}, body: '', ms: 0 }
    const { turn } = of
    const answer = await ask(method, path, { headers: { ...headers, ...own }, body, timeout })
    if (answer.status !== 401 || of !== tokens) return answer
    if (again) {
      end('expired')
      return answer
    }
    // It was revoked, or the clock of this machine is wrong: a refresh tells, unless there is none to be had.
    if (of.turn === turn) {
      const told = await refresh(of)
      if (of === tokens && of.turn === turn) return told
    }
  }
}

async function stream(tab, { id, path, headers }) {
  const stop = new AbortController()
  streams.set(id, stop)
  try {
    const own = await credentials(tokens)
    if (!own) return
    const response = await fetch(new URL(path, location.origin), { headers: { ...headers, ...own }, credentials: 'omit', cache: 'no-store', signal: stop.signal })
    tab.postMessage({ id, status: response.status, headers: Object.fromEntries(response.headers) })
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let part; !(part = await reader.read()).done;) tab.postMessage({ id, chunk: part.value })
  } catch { /* it is over, one way or the other */ } finally {
    streams.delete(id)
    tab.postMessage({ id, end: true })
  }
}

// Who somebody is, once there are tokens.
async function begin(kind, key, found) {
  const of = { kind, key, turn: 0, refreshing: null }
  renew(of, found)
  tokens = of
  if (kind === 'team') {
    const { user, tenant } = found
    session = { kind, id: user.id, email: user.email, name: user.display_name ?? user.email, role: user.role, tenant: tenant.name, testMode: false }
  } else {
    const answer = await call({ method: 'GET', path: '/api/v1/app/users/me' })
    const user = json(answer)
    if (answer.status !== 200 || !['admin', 'superadmin'].includes(user?.role)) {
      await call({ method: 'POST', path: KINDS.user.signOut })
      if (tokens === of) tokens = null
      return answer.status === 200 ? { answer: { ...answer, status: 403, body: '{"error":{"code":"AUTHORIZATION_ERROR","message":"this account is no administrator","details":{}}}' } } : { answer }
    }
    session = { kind, id: user.id, email: user.email, name: user.full_name ?? user.email, role: user.role, tenant: null, key: Boolean(key), testMode: false }
  }
  tell()
  return { answer: { status: 200, headers: {}, body: '', ms: 0 } }
}

async function signIn({ kind, email, password, key }) {
  const answer = await send(KINDS[kind].signIn, { email, password }, key)
  const found = json(answer)
  if (answer.status !== 200) return { answer }
  if (!found.mfa_required) return begin(kind, key, found)
  challenge = { kind, key, token: found.mfa_token }
  return { mfa: true }
}

async function verify({ code }) {
  if (!challenge) return { answer: { status: 401, headers: {}, body: '', ms: 0 } }
  const { kind, key, token } = challenge
  const answer = await send(KINDS[kind].verify, { mfa_token: token, code }, key)
  return answer.status === 200 ? begin(kind, key, json(answer)) : { answer }
}

async function signOut() {
  const of = tokens
  if (of) await call({ method: 'POST', path: KINDS[of.kind].signOut, timeout: 10_000 })
  if (!tokens || tokens === of) end('signed out')
  return {}
}

const doing = {
  call, signIn, verify, signOut,
  testMode: async ({ on }) => {
    if (session) session = { ...session, testMode: on }
    tell()
    return {}
  },
}

globalThis.onconnect = ({ ports: [tab] }) => {
  tab.onmessage = async ({ data }) => {
    if (data.do === 'hello') {
      tabs.add(tab)
      tab.postMessage({ session })
    } else if (data.do === 'bye') {
      tabs.delete(tab)
    } else if (data.do === 'stop') {
      streams.get(data.of)?.abort()
    } else if (data.do === 'stream') {
      stream(tab, data)
    } else if (Object.hasOwn(doing, data.do)) {
      tab.postMessage({ id: data.id, ...await doing[data.do](data) })
    }
  }
}
