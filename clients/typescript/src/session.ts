// A session: who is signed in.  Its access token is renewed once, for all calls and all tabs that need it at the same time, whether
// the server rotates refresh tokens or not.
import { AshlarError } from './errors.js'
import { pause } from './http.js'
import type { SessionStorage, Tokens } from './storage.js'

/** What any sign-in answers, as far as a session is concerned. */
export interface SignedIn {
  access_token?: string
  refresh_token?: string | null
  expires_in?: number | string
}

// Renewed this long before its end, so that no call arrives behind it; of a token that is short-lived, at half of its life.
const EARLY_MS = 60_000
// Refusals that say something about how the client is set up, and nothing about the session.
const OTHERS: unknown[] = ['INVALID_API_KEY', 'ORIGIN_NOT_ALLOWED', 'HTTPS_REQUIRED']

// By refresh token: of several clients in one process, too, one renews.
const under_way = new Map<string, Promise<Tokens | null>>()

// A renewal that failed is left alone for so long, while the token may still be good.
const LATER_MS = 10_000
// What one tab has written to localStorage another one may see so much later; a lock is held for that long.
const SEEN_MS = 100

export class Session {
  #later = 0
  readonly #listeners = new Set<(is_signed_in: boolean) => void>()
  #unwatch: (() => void) | undefined

  constructor(private readonly storage: SessionStorage, private readonly ask: (refresh_token: string) => Promise<SignedIn>) {}

  /** The tokens, as they are kept; null: nobody is signed in. */
  async tokens(): Promise<Tokens | null> {
    return this.storage.read()
  }

  /** A sign-in's answer becomes the session; without tokens in it nothing changes.  Of any sign-in: a page's fragment, too. */
  async adopt(answer: SignedIn): Promise<boolean> {
    if (!answer.access_token) return false
    await this.#keep(answer)
    this.#tell(true)
    return true
  }

  /** Nobody is signed in any more, here; the server's session goes on. */
  async forget(): Promise<void> {
    await this.storage.write(null)
    this.#tell(false)
  }

  /** Have told() called when somebody signs in or out, in another tab, too; returns what ends that. */
  onChange(told: (is_signed_in: boolean) => void): () => void {
    this.#listeners.add(told)
    this.#unwatch ??= this.storage.watch?.(() => void this.tokens().then((tokens) => this.#tell(tokens !== null)))
    return () => {
      this.#listeners.delete(told)
      if (!this.#listeners.size) this.#unwatch = void this.#unwatch?.()
    }
  }

  /** A token that is good, renewed if its end is near; undefined: nobody is signed in. */
  async token(): Promise<string | undefined> {
    const now = await this.storage.read()
    if (!now?.refresh_token || Math.max(now.renew_at, this.#later) > Date.now()) return now?.access_token
    return this.renew(now.access_token, now).then((next) => next?.access_token, () => {
      // It is renewed before its end: whether it is good the server says, and then the same error is the call's.
      this.#later = Date.now() + LATER_MS
      return now.access_token
    })
  }

  /** Another token in the place of one that is not taken any more, or of those that were seen; null: the session has ended. */
  async renew(stale: string, seen?: Tokens): Promise<Tokens | null> {
    const now = await this.storage.read()
    // Another tab has, meanwhile; of one second its token may be the same.
    if (now?.access_token !== stale || (seen && now.renew_at !== seen.renew_at)) return now
    if (!now.refresh_token) return null
    let one = under_way.get(now.refresh_token)
    if (!one) {
      const key = now.refresh_token, { name } = this.storage, work = () => this.#renew(now)
      // Among the tabs of a browser, too, which share the storage of that name, and see a moment later what another has written there.
      const alone = () => new Promise<Tokens | null>((done, failed) => void navigator.locks.request(name!, () => work().then(done, failed).then(() => pause(SEEN_MS))))
      one = (name && globalThis.navigator?.locks ? alone() : work()).finally(() => under_way.delete(key))
      under_way.set(key, one)
    }
    const next = await one
    // A client that keeps its session elsewhere has asked; this one's storage has still the old one.
    const left = await this.storage.read()
    if (left?.access_token === stale && left.renew_at === now.renew_at) await this.storage.write(next)
    return next
  }

  async #renew(before: Tokens): Promise<Tokens | null> {
    const now = await this.storage.read()
    if (!now?.refresh_token || now.access_token !== before.access_token || now.renew_at !== before.renew_at) return now
    const answer = await this.ask(now.refresh_token).catch((error: unknown) => {
      if (error instanceof AshlarError && [400, 401, 403].includes(error.status) && !OTHERS.includes(error.code)) return null
      throw error
    })
    // Somebody has signed out meanwhile, or in as somebody else: that is not undone.
    const left = await this.storage.read()
    if (left?.refresh_token !== now.refresh_token) return left
    if (answer) return this.#keep(answer, now.refresh_token)
    await this.forget()
    return null
  }

  // Before anything is asked with the new access token, which uses up the refresh token before.
  async #keep({ access_token, refresh_token, expires_in }: SignedIn, before?: string): Promise<Tokens> {
    const life = Number(expires_in ?? 3600) * 1000
    const kept = refresh_token ?? before
    const tokens: Tokens = { access_token: access_token!, ...(kept && { refresh_token: kept }), renew_at: Date.now() + life - Math.min(EARLY_MS, life / 2) }
    await this.storage.write(tokens)
    return tokens
  }

  #tell(is_signed_in: boolean): void {
    for (const told of this.#listeners) told(is_signed_in)
  }
}
