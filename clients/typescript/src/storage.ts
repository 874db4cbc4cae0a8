// Where a session is kept.  Each adapter reads it anew whenever it is asked, so that tabs and servers that share one see the same.

/** What is kept of a session. */
export interface Tokens {
  access_token: string
  refresh_token?: string
  /** From when on it is renewed by the next call, by this clock, in milliseconds. */
  renew_at: number
}

export interface SessionStorage {
  read(): Tokens | null | Promise<Tokens | null>
  write(tokens: Tokens | null): void | Promise<void>
  /** Have changed() called when somebody else wrote; returns what ends that. */
  watch?(changed: () => void): () => void
  /** The same for all who share it, such as the tabs of a browser: what they lock while refreshing. */
  readonly name?: string
}

function parse(text: string | null | undefined): Tokens | null {
  try {
    const tokens = JSON.parse(text ?? '') as Tokens
    return typeof tokens?.access_token === 'string' ? tokens : null
  } catch {
    return null
  }
}

/** In this object alone: it ends with the page or the process. */
export function memoryStorage(tokens: Tokens | null = null): SessionStorage {
  return { read: () => tokens, write: (next) => void (tokens = next) }
}

/** In the browser's localStorage, for all tabs of the origin, until signed out. */
export function browserStorage(name = 'ashlar.session'): SessionStorage {
  return {
    name, read: () => parse(localStorage.getItem(name)),
    write: (tokens) => (tokens ? localStorage.setItem(name, JSON.stringify(tokens)) : localStorage.removeItem(name)),
    watch(changed) {
      const heard = (event: StorageEvent) => (event.key === name || event.key === null) && changed()
      addEventListener('storage', heard)
      return () => removeEventListener('storage', heard)
    },
  }
}

/** How cookies are set: httpOnly, so that no script of a page reads them. */
export type CookieOptions = { httpOnly: true, secure: true, sameSite: 'lax', path: '/', maxAge: number }

/** In a cookie, on a server: get and set are those of the request and its answer, of whatever framework. */
export function cookieStorage(cookies: {
  get(name: string): string | null | undefined
  set(name: string, value: string, options: CookieOptions): unknown
}, name = 'ashlar_session'): SessionStorage {
  let written: Tokens | null | undefined // the request's cookies stay what they were
  return {
    read: () => (written === undefined ? parse(decodeURIComponent(cookies.get(name) ?? '')) : written),
    write(tokens) {
      written = tokens
      const value = tokens ? encodeURIComponent(JSON.stringify(tokens)) : ''
      cookies.set(name, value, { httpOnly: true, secure: true, sameSite: 'lax', path: '/', maxAge: tokens ? 30 * 86400 : 0 })
    },
  }
}

/** A browser's where there is one, else memory: workers, servers, and browsers that keep nothing. */
export function defaultStorage(): SessionStorage {
  try {
    if (typeof document !== 'undefined' && localStorage) return browserStorage()
  } catch { /* forbidden by the browser's settings */ }
  return memoryStorage()
}
