// Ashlar {{version}}: the operations of end users for pages and servers, in one file without dependencies.
//
//	import { Ashlar } from './ashlar.mjs'
//	const ashlar = new Ashlar({ url: 'https://api.example.com', key: 'pk_live_…' })
//	await ashlar.login({ email, password })
//	for await (const one of ashlar.all('organizations.listMyOrganizations')) console.log(one.name)
//
// An operation takes one object: what the {names} of its path are, and beside them the query of a GET or DELETE, else
// the body's members.  A FormData in `form` is sent as it is.  `ashlar sdk template` printed this file: change it as you like.

/** What the server refused: `code` is for programs, `message` for people, `field` for a form. */
export class AshlarError extends Error {
  constructor(status, error = {}, requestId = null) {
    super(error.message ?? `HTTP ${status}`)
    Object.assign(this, { name: 'AshlarError', status, code: error.code ?? null, details: error.details ?? {}, field: error.details?.field ?? null,
      retryAfter: error.details?.retry_after ?? null, requestId })
  }
}

/** Keeps the session while the page is open.  Give another one with `get` and `set`, such as one over localStorage. */
export function memory() {
  let kept = null
  return { get: () => kept, set: (session) => { kept = session } }
}

const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000))
const SAFE = ['GET', 'PUT', 'DELETE']

export class Ashlar {
  #refreshing = null

  /**
   * @param {object} options
   * @param {string} options.url  where the server is
   * @param {string} [options.key]  pk_… in a page, sk_… on a server
   * @param {ReturnType<typeof memory>} [options.storage]
   * @param {typeof fetch} [options.fetch]
   * @param {number} [options.retries]  of what may be sent again
   */
  constructor({ url, key, storage = memory(), fetch = globalThis.fetch, retries = 2 }) {
    Object.assign(this, { url: url.replace(/\/$/, ''), key, storage, fetch: fetch.bind(globalThis), retries })
    for (const [group, all] of Object.entries(operations)) {
      this[group] = {}
      for (const [name, [method, path]] of Object.entries(all)) this[group][name] = (input, options) => this.call(method, path, input, options)
    }
  }

  /** Signs in and keeps the session.  With a second factor: { mfa_required, mfa_token }, which verifyMfa takes with a code. */
  async login(input) { return this.#keep(await this.authentication.loginUser(input)) }
  async verifyMfa(input) { return this.#keep(await this.authentication.verifyMfa(input)) }
  async logout() {
    try { await this.authentication.logoutUser() } finally { await this.storage.set(null) }
  }

  async #keep(answer) {
    if (answer.access_token) await this.storage.set({ access_token: answer.access_token, refresh_token: answer.refresh_token })
    return answer
  }

  // Once for all requests that find their token expired at the same time.
  #refresh(session) {
    this.#refreshing ??= (async () => {
      try {
        const answer = await this.#send('POST', '/api/v1/auth/refresh', { body: JSON.stringify({ refresh_token: session.refresh_token }) })
        await this.storage.set({ refresh_token: session.refresh_token, ...answer })
        return true
      } catch (error) {
        if (error.status === 401) await this.storage.set(null)
        return false
      } finally { this.#refreshing = null }
    })()
    return this.#refreshing
  }

  async #send(method, path, { body, token, headers, signal }) {
    const sent = { Accept: 'application/json', ...headers }
    if (this.key) sent['X-API-Key'] = this.key
    if (token) sent.Authorization = `Bearer ${token}`
    if (typeof body === 'string') sent['Content-Type'] = 'application/json'
    const answer = await this.fetch(this.url + path, { method, headers: sent, body, signal })
    const text = answer.status === 204 ? '' : await answer.text()
    const type = answer.headers.get('Content-Type') ?? ''
    const data = type.includes('json') && text ? JSON.parse(text) : text || null
    if (!answer.ok) throw new AshlarError(answer.status, data?.error, answer.headers.get('X-Request-ID'))
    return data
  }

  /** One request: with the session, refreshed where it must be; again, where that is safe. */
  async call(method, path, input = {}, { headers = {}, signal, idempotencyKey } = {}) {
    const { form, ...rest } = input
    const target = path.replace(/\{(\w+)\}/g, (_, name) => {
      if (rest[name] === undefined) throw new TypeError(`${method} ${path} needs ${name}`)
      const value = encodeURIComponent(rest[name])
      delete rest[name]
      return value
    })
    const inQuery = method === 'GET' || method === 'DELETE' || form
    const query = new URLSearchParams(inQuery ? Object.entries(rest).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]) : [])
    const body = form ?? (inQuery ? undefined : JSON.stringify(rest))
    if (method === 'POST') headers = { 'Idempotency-Key': idempotencyKey ?? crypto.randomUUID(), ...headers }
    const address = target + (query.size ? `?${query}` : '')
    for (let tries = 0, refreshed = false; ; tries++) {
      const session = await this.storage.get()
      try {
        return await this.#send(method, address, { body, headers, signal, token: session?.access_token })
      } catch (error) {
        if (signal?.aborted) throw error
        if (error.status === 401 && session?.refresh_token && !refreshed && !target.startsWith('/api/v1/auth/refresh')) {
          refreshed = true
          const now = await this.storage.get() // another request may have refreshed it meanwhile
          if ((now && now.access_token !== session.access_token) || await this.#refresh(session)) continue
        }
        const isPassing = !(error instanceof AshlarError) || [429, 502, 503, 504].includes(error.status)
        if (!isPassing || tries >= this.retries || !(SAFE.includes(method) || headers['Idempotency-Key'])) throw error
        await sleep(Math.min(error.retryAfter ?? 0.2 * 2 ** tries, 10) * (1 + 0.2 * Math.random()))
      }
    }
  }

  /** All rows of a list, page by page, whatever its form: all('files.list'). */
  async *all(name, input = {}) {
    const [group, operation] = name.split('.')
    for (let from = 0, page = 1, next = {}; ; page++) {
      const answer = await this[group][operation]({ ...input, ...next })
      const rows = Array.isArray(answer) ? answer : Object.values(answer).find(Array.isArray) ?? []
      yield* rows
      from += rows.length
      const { total, total_pages: pages, has_next: hasNext, has_more: hasMore } = answer.meta ?? answer
      const more = hasNext ?? hasMore ?? (pages === undefined ? total !== undefined && 'limit' in (answer.meta ?? answer) && from < total : page < pages)
      if (!rows.length || !more) return
      next = pages !== undefined || hasNext !== undefined ? { page: page + 1 } : 'offset' in (answer.meta ?? answer) ? { offset: from } : { skip: from }
    }
  }
}
