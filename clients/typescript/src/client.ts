// The client: a key, a session, and the operations of the nouns that it is given.
import { AshlarError, brokenOff } from './errors.js'
import { send } from './http.js'
import { Pages } from './lists.js'
import { fill, type Plan, planOf } from './operation.js'
import { Session, type SignedIn } from './session.js'
import { eventsOf, type ServerEvent } from './sse.js'
import { defaultStorage, type SessionStorage } from './storage.js'
import type { Answer, Bound, CallOptions } from './types.js'

export interface ClientOptions {
  /** Where the API is, such as https://api.example.com; a page's own origin, if left out. */
  url?: string
  /** A public key (pk_…) in a page, a secret one (sk_…) on a server. */
  key?: string
  /** Where the session is kept: localStorage in a browser, else memory. */
  storage?: SessionStorage
  /** In the place of a session: a token that somebody else keeps good. */
  token?: string | (() => string | undefined | Promise<string | undefined>)
  /** The sign-in is that of the dashboard's team, and not that of the product's users. */
  team?: boolean
  /** The workspace in which its members act. */
  workspace?: string
  /** Sent with each call. */
  headers?: Record<string, string>
  /** How often a call that may be repeated is: 3, if left out. */
  retries?: number
  /** How long one attempt may take; a stream is not bound by it. */
  timeout_ms?: number
  fetch?: typeof fetch
}

/** What one request is, for request(). */
export interface Asking extends CallOptions {
  /** Whether it does what it does once, however often it is sent; all but POST and PATCH, if left out. */
  is_repeatable?: boolean
  /** The session's token goes along; true, if left out. */
  is_signed?: boolean
  accept?: string
}

/** A random key that names one request. */
export const newKey = (): string => crypto.randomUUID()

const isRaw = (body: unknown): body is BodyInit =>
  body instanceof FormData || body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body) || typeof body === 'string'

// What an answer holds, by its type; of a file its bytes, whatever it is.
async function read(response: Response, isBytes: boolean): Promise<unknown> {
  const type = isBytes ? '' : (response.headers.get('Content-Type') ?? '')
  if (!isBytes && (response.status === 204 || response.headers.get('Content-Length') === '0')) return undefined
  if (/[/+]json\b/.test(type)) return response.json()
  return /^text\/|ndjson/.test(type) ? response.text() : response.blob()
}

/** What every client has, whichever nouns it was given. */
export class Client {
  readonly url: string
  readonly session: Session
  readonly auth: Auth
  readonly options: Readonly<ClientOptions>

  readonly #fetch: typeof fetch

  constructor(options: ClientOptions = {}) {
    this.options = options
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init))
    this.url = (options.url ?? globalThis.location?.origin ?? '').replace(/\/+$/, '')
    if (!/^https?:\/\//.test(this.url)) throw new TypeError('url is missing: where the API is, such as https://api.example.com')
    if (options.key?.startsWith('sk_') && typeof document !== 'undefined') throw new TypeError('a secret key is no page\'s: use a public one, pk_…')
    this.auth = new Auth(this)
    this.session = new Session(options.storage ?? defaultStorage(), (refresh_token) => this.auth.refresh(refresh_token))
  }

  /** The user's token, renewed if need be; undefined where nobody is signed in. */
  async token(): Promise<string | undefined> {
    const { token } = this.options
    return token === undefined ? this.session.token() : typeof token === 'function' ? token() : token
  }

  /** Ask for any path; what is not answered with less than 400 is thrown as an AshlarError. */
  async request(method: string, path: string, asking: Asking = {}): Promise<Response> {
    const { options } = this, { body, workspace = options.workspace } = asking
    const token = asking.is_signed === false ? undefined : await this.token()
    const response = await send({
      method, url: this.url + path,
      headers: {
        Accept: asking.accept ?? 'application/json',
        ...options.headers,
        ...(body !== undefined && !isRaw(body) && { 'Content-Type': 'application/json' }),
        ...(options.key && { 'X-API-Key': options.key }), ...(token && { Authorization: `Bearer ${token}` }),
        ...(workspace && { 'X-Workspace-Id': workspace }), ...(asking.if_match && { 'If-Match': asking.if_match }),
        ...(asking.idempotency_key && { 'Idempotency-Key': asking.idempotency_key }),
        ...asking.headers,
      },
      body: body === undefined || isRaw(body) ? body : JSON.stringify(body),
      signal: asking.signal,
      retries: asking.retries ?? options.retries ?? 3,
      isRepeatable: asking.is_repeatable ?? !/POST|PATCH/.test(method),
      timeout_ms: asking.accept === 'text/event-stream' ? undefined : options.timeout_ms,
      fetch: this.#fetch,
      onUnauthorized: token && options.token === undefined ? (error, headers) => this.#again(error, token, headers) : undefined,
    })
    asking.on_response?.(response)
    return response
  }

  /** The same, and what it says in JSON. */
  async json<T>(method: string, path: string, asking?: Asking): Promise<T> {
    return (await this.request(method, path, asking)).json().catch(brokenOff) as Promise<T>
  }

  /** Ask for an address that is signed by itself: neither key nor token go there. */
  fetch(method: string, url: string, { body, headers = {}, signal, retries = 0 }: { body?: Blob, headers?: Record<string, string>, signal?: AbortSignal, retries?: number } = {}): Promise<Response> {
    return send({ method, url, headers, body, signal, retries, isRepeatable: retries > 0, fetch: this.#fetch })
  }

  // The token was refused: another one, unless it was something else that was.
  async #again(error: AshlarError, token: string, headers: Record<string, string>): Promise<boolean> {
    const next = error.code === 'AUTHENTICATION_ERROR' ? await this.session.renew(token) : null
    if (!next || next.access_token === token) return false
    headers['Authorization'] = `Bearer ${next.access_token}`
    return true
  }

  /** What a generated line says. */
  call(plan: Plan, args: Record<string, unknown> = {}, options: CallOptions = {}): unknown {
    if (plan.stream === 'always') return this.stream(plan, args, options)
    const one = async (given: Record<string, unknown>) => read(await this.#ask(plan, given, options, plan.accept), plan.isBytes).catch(brokenOff)
    return plan.list ? new Pages(one, plan.list, args) : one(args)
  }

  async *stream(plan: Plan, args: Record<string, unknown> = {}, options: CallOptions = {}): AsyncGenerator<ServerEvent, void, undefined> {
    const asked = { ...args, ...(plan.stream !== 'always' && { stream: true }) }
    // A model's answer is not kept to be given again: what had begun is not repeated.
    const response = await this.#ask({ ...plan, isRepeatable: false }, asked, options, 'text/event-stream')
    yield* eventsOf(response, { as_text: plan.stream === 'text' })
  }

  #ask(plan: Plan, args: Record<string, unknown>, options: CallOptions, accept?: string): Promise<Response> {
    const { path, body } = fill(plan, args)
    const isKept = plan.isRepeatable || options.idempotency_key !== undefined
    return this.request(plan.method, path, {
      ...options,
      ...(accept && { accept }),
      ...(isKept && { idempotency_key: options.idempotency_key ?? newKey(), is_repeatable: true }),
      ...(body !== undefined && options.body === undefined && { body: plan.body === 'form' ? formOf(body as object) : body }),
    })
  }
}

function formOf(members: object): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(members))
    if (value instanceof Blob) form.append(name, value, (value as File).name ?? name)
    else if (value !== undefined && value !== null) form.append(name, String(value))
  return form
}

/** Sign up, in and out: what each answers is the API's, and its tokens are the session's from then on. */
export class Auth {
  readonly #base: string
  constructor(private readonly client: Client) {
    this.#base = client.options.team ? '/api/v1/tenant-auth' : '/api/v1/auth'
  }

  async #signed<T extends SignedIn>(path: string, body: object, options?: CallOptions): Promise<T> {
    const answer = await this.client.json<T>('POST', path, { ...options, body, is_signed: false })
    await this.client.session.adopt(answer)
    return answer
  }

  /** With verification_required in the answer a mail says the rest, and nobody is signed in. */
  signUp(who: { email: string, password: string, display_name?: string, return_to?: string }, options?: CallOptions): Promise<Answer<'register_platform_user'>> {
    return this.#signed('/api/v1/auth/register', who, options)
  }

  /** With mfa_required in the answer, a code is to be asked for: verify() is next, with the mfa_token. */
  signIn(who: { email: string, password: string }, options?: CallOptions): Promise<Answer<'login_platform_user'>> {
    return this.#signed(`${this.#base}/login`, who, options)
  }

  /** The second factor: a code of the app, or one for recovery. */
  verify(factor: { mfa_token: string, code: string }, options?: CallOptions): Promise<Answer<'verify_platform_mfa'>> {
    return this.#signed('/api/v1/auth/mfa/verify', factor, options)
  }

  /** A sign-in that was made elsewhere: an answer's tokens, or what a page that Google sent back has in its address. */
  async adopt(answer: SignedIn | URL | Location): Promise<boolean> {
    if (!('hash' in answer)) return this.client.session.adopt(answer)
    const refused = new URLSearchParams(answer.search).get('error_description')
    if (refused) throw new AshlarError(400, 'INVALID_CREDENTIALS', refused)
    return this.client.session.adopt(Object.fromEntries(new URLSearchParams(answer.hash.slice(1))))
  }

  /** End the session, and with all: every other one of the user, too.  It is over here even if nobody can be told. */
  async signOut({ all = false }: { all?: boolean } = {}): Promise<void> {
    const tokens = await this.client.session.tokens()
    await this.client.session.forget()
    if (!tokens) return
    // A token that has ended ends no session: another one for this.
    const has_ended = tokens.refresh_token && tokens.renew_at <= Date.now()
    const { access_token } = has_ended ? await this.refresh(tokens.refresh_token!).catch(() => tokens) : tokens
    const asking = { headers: { Authorization: `Bearer ${access_token}` }, body: this.client.options.team ? undefined : { all }, is_signed: false }
    await this.client.request('POST', `${this.#base}/logout`, asking).then((answer) => answer.text()).catch((error) => {
      if (!(error instanceof AshlarError) || (error.status !== 0 && error.status !== 401)) throw error
    })
  }

  /** For the session: an answer that was lost may be asked for again. */
  refresh(refresh_token: string): Promise<SignedIn> {
    return this.client.json('POST', `${this.#base}/refresh`, { body: { refresh_token }, is_signed: false, is_repeatable: true, signal: AbortSignal.timeout(30_000) })
  }
}

type Given = Record<string, unknown>

// A noun is lines by the names of its operations; a surface is nouns by theirs.
function bind(client: Client, nouns: Record<string, unknown>): Record<string, unknown> {
  const bound: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(nouns)) {
    let made: Plan | undefined
    const plan = () => (made ??= planOf(value as string))
    const file = (accept: string): Plan => ({ ...plan(), accept, isBytes: true, list: undefined })
    bound[name] = typeof value !== 'string' ? bind(client, value as Given) : Object.assign((args?: Given, options?: CallOptions) => client.call(plan(), args, options), {
      stream: (args?: Given, options?: CallOptions) => client.stream(plan(), args, options),
      csv: (args?: Given, options?: CallOptions) => client.call(file('text/csv'), args, options),
      ndjson: (args?: Given, options?: CallOptions) => client.call(file('application/x-ndjson'), args, options),
    })
  }
  return bound
}

/**
 * A client with the nouns that it is given, under the names that they are given:
 *
 *     import { createClient } from 'ashlar'
 *     import { projects } from 'ashlar/app'
 *
 *     const ashlar = createClient({ url, key }, { projects })
 *     for await (const project of ashlar.projects.list({ search: 'web' })) …
 */
export function createClient<N extends object = Record<never, never>>(options: ClientOptions = {}, nouns?: N): Client & Bound<N> {
  const client = new Client(options)
  for (const name of Object.keys(nouns ?? {})) if (name in client) throw new TypeError(`${name} is the client's own: give that noun another name`)
  return Object.assign(client, bind(client, (nouns ?? {}) as Record<string, unknown>)) as Client & Bound<N>
}
