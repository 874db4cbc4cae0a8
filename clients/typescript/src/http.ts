// One request, until there is an answer: what may be repeated is, after a while that has chance in it, and as the server says when.
import { AshlarError, errorOf } from './errors.js'

export interface Sending {
  method: string
  url: string
  headers: Record<string, string>
  body?: BodyInit | undefined
  signal?: AbortSignal | undefined
  retries: number
  /** Carried out twice it does what it does once. */
  isRepeatable: boolean
  timeout_ms?: number | undefined
  fetch: typeof fetch
  /** Called when the token may be what is refused; whether the request is to be sent again, with the headers that it changed. */
  onUnauthorized?: ((error: AshlarError, headers: Record<string, string>) => Promise<boolean>) | undefined
}

// What waits longer than this is the caller's to decide about: the error says how long.
const LONGEST_WAIT_S = 30
const FIRST_PAUSE_MS = 300
const LONGEST_PAUSE_MS = 8000

/** Wait, unless it is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    if (signal?.aborted) return failed(signal.reason)
    const aborted = () => (clearTimeout(timer), failed(signal!.reason))
    const timer = setTimeout(() => (signal?.removeEventListener('abort', aborted), done()), milliseconds)
    signal?.addEventListener('abort', aborted, { once: true })
  })
}

/** The pause before the n-th repetition: any up to a bound that doubles, so that clients come back one by one. */
export function backoff(n: number, random = Math.random()): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** n) * (0.5 + random / 2)
}

// What may be sent again after this answer.  A 429 was not carried out, whatever it was; nor is what runs already.
const isPassing = (status: number, code: unknown, isRepeatable: boolean) =>
  status === 429 || code === 'IDEMPOTENCY_KEY_IN_USE' || (isRepeatable && [502, 503, 504].includes(status))

/** The answer, below 400; anything else is thrown as an AshlarError, and what was aborted as the signal's reason. */
export async function send(to: Sending): Promise<Response> {
  let hasNewToken = false
  for (let n = 0; ; n++) {
    const { method, headers, body } = to, limit = to.timeout_ms ? AbortSignal.timeout(to.timeout_ms) : undefined
    const signal = to.signal && limit ? AbortSignal.any([to.signal, limit]) : (to.signal ?? limit)
    let response: Response
    try {
      response = await to.fetch(to.url, { method, headers, ...(body !== undefined && { body }), ...(signal && { signal }) })
    } catch (cause) {
      if (to.signal?.aborted) throw to.signal.reason
      if (n >= to.retries || !to.isRepeatable) throw new AshlarError(0, 'NETWORK_ERROR', `no answer from ${new URL(to.url).host}`, { cause })
      await pause(backoff(n), to.signal)
      continue
    }
    if (response.ok) return response
    const error = await errorOf(response)
    if (error.status === 401 && !hasNewToken && (await to.onUnauthorized?.(error, to.headers))) {
      hasNewToken = true
      n--
      continue
    }
    const after = error.retry_after ?? 0
    if (n >= to.retries || after > LONGEST_WAIT_S || !isPassing(error.status, error.code, to.isRepeatable)) throw error
    await pause(after * 1000 + backoff(n), to.signal)
  }
}
