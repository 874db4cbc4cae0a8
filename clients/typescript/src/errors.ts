// What goes wrong, as one class: programs read its code, people its message, forms its field.
import type { components } from './schema.js'

/** The codes of the API, and NETWORK_ERROR where there was no answer. */
export type ErrorCode = components['schemas']['ErrorCode'] | 'NETWORK_ERROR'

export class AshlarError extends Error {
  override readonly name = 'AshlarError'
  readonly details: Record<string, unknown>
  /** Which member of what was sent is wrong. */
  readonly field: string | undefined
  /** What the server's log knows this by. */
  readonly request_id: string | undefined
  /** In how many seconds it would pass. */
  readonly retry_after: number | undefined

  /** status: the answer's, or 0 where there was none. */
  constructor(readonly status: number, readonly code: ErrorCode, message: string, more: { details?: Record<string, unknown>, request_id?: string | undefined, retry_after?: number | undefined, cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.details = more.details ?? {}
    this.field = text(this.details.field)
    this.request_id = more.request_id
    this.retry_after = more.retry_after
  }
}

/** For catch(): an answer that breaks off is none, either. */
export const brokenOff = (cause: unknown): never => {
  throw cause instanceof TypeError ? new AshlarError(0, 'NETWORK_ERROR', 'the answer broke off', { cause }) : cause
}

const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
const seconds = (value: unknown) => (value === null || value === undefined || value === '' || !(Number(value) >= 0) ? undefined : Number(value))

/** Retry-After, in seconds: a number, or a day and time, by the clock that the answer is of. */
function retryAfter(headers: Headers): number | undefined {
  const said = headers.get('Retry-After'), now = Date.parse(headers.get('Date') ?? '') || Date.now()
  return seconds(said) ?? (said && Date.parse(said) ? Math.max(0, (Date.parse(said) - now) / 1000) : undefined)
}

/** What an answer above 399 says, whoever gave it: a proxy in between may know nothing of our form. */
export async function errorOf(response: Response): Promise<AshlarError> {
  const body = (await response.json().catch(() => ({}))) as Record<string, any>
  const said = body && typeof body === 'object' ? (body.error ?? body) : {}
  const details = said.details && typeof said.details === 'object' ? said.details : {}
  const unknown = response.status < 500 ? 'BAD_REQUEST' : response.status === 503 ? 'SERVICE_UNAVAILABLE' : response.status === 504 ? 'TIMEOUT' : 'BAD_GATEWAY'
  return new AshlarError(response.status, (text(said.code) ?? unknown) as ErrorCode, text(said.message) ?? text(body?.detail) ?? `the server answered ${response.status}`, {
    details,
    request_id: response.headers.get('X-Request-ID') ?? text(details.request_id),
    retry_after: retryAfter(response.headers) ?? seconds(details.retry_after),
  })
}
