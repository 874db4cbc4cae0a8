// Webhooks of Ashlar, for whoever receives them: signed by the Standard Webhooks specification.  By Web Crypto, so that it runs anywhere.
import type { webhooks } from './schema.js'

type EventOf<W> = W extends { post: { requestBody: { content: { 'application/json': infer E } } } } ? E : never
/** What arrives: told apart by its type. */
export type WebhookEvent = EventOf<webhooks[keyof webhooks]>

/** It is not ours, or too old: answer 400. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError'
}

type HeadersLike = { get(name: string): string | null } | Record<string, string | string[] | undefined>

const bytes = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))

/**
 * The event, if it is one of ours.  The body is what came, to the byte, before anything parsed it.  While a secret is replaced, give both.
 */
export async function verifyWebhook(body: string | Uint8Array | ArrayBuffer, headers: HeadersLike, secrets: string | string[], { tolerance_s = 300, now = Date.now() } = {}): Promise<WebhookEvent> {
  const header = (name: string) => String((typeof headers.get === 'function' ? headers.get(name) : (headers as Record<string, unknown>)[name]) ?? '')
  const id = header('webhook-id'), sent = header('webhook-timestamp')
  if (!id || !/^\d+$/.test(sent)) throw new WebhookError('webhook-id or webhook-timestamp is missing')
  if (Math.abs(now / 1000 - Number(sent)) > tolerance_s) throw new WebhookError('the timestamp is too far from now: a copy, or a clock that is wrong')
  const text = typeof body === 'string' ? body : new TextDecoder('utf-8', { ignoreBOM: true }).decode(body)
  const signed = new TextEncoder().encode(`${id}.${sent}.${text}`)
  const signatures = header('webhook-signature').split(' ').filter((one) => one.startsWith('v1,')).map((one) => one.slice(3))
  for (const secret of [secrets].flat()) {
    const key = await crypto.subtle.importKey('raw', bytes(secret.replace(/^whsec_/, '')), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
    for (const signature of signatures)
      if (/^[A-Za-z0-9+/]{43}=$/.test(signature) && (await crypto.subtle.verify('HMAC', key, bytes(signature), signed))) return JSON.parse(text) as WebhookEvent
  }
  throw new WebhookError('the signature is not of this secret')
}
