// Realtime: one connection for all channels, which comes back by itself and misses nothing that the server still has.  By WebSocket;
// where there is none, or something in between lets none through, by an event stream for each channel.
import type { Client } from './client.js'
import { AshlarError } from './errors.js'
import { backoff } from './http.js'
import { eventsOf } from './sse.js'

/** What came on a channel; the guide's page on realtime has the types. */
export interface Message {
  type: string
  channel: string
  data?: any
  event_id?: number
  timestamp?: string
  sender_id?: string | null
  [member: string]: any
}

export interface Listener {
  on_message?: (message: Message) => void
  /** More was said than the server still has: read your state anew. */
  on_missed?: () => void
  /** Whose users are there, whenever that changes; by WebSocket alone. */
  on_presence?: (users: string[]) => void
  /** The channel is refused, or not yours any more. */
  on_error?: (error: AshlarError) => void
}

/** offline: it is tried again; closed: by close(), or since the user has to sign in again. */
export type Status = 'connecting' | 'online' | 'offline' | 'closed'

export interface RealtimeOptions {
  on_status?: (status: Status) => void
  /** What came outside of the channels: notifications. */
  on_message?: (message: Message) => void
  /** Where the platform has none, such as npm's ws in Node 20; null: event streams. */
  WebSocket?: (new (url: string) => WebSocket) | null
}

type Channel = Listener & { last?: number, isLive: boolean, users: Set<string>, stream?: AbortController | undefined }

const TICK_MS = 5000, RATE_MS = 1000
// So often a socket may end before it was open; then something in between takes none.
const TRIES = 2

export class Realtime {
  readonly #Socket: (new (url: string) => WebSocket) | null
  readonly #channels = new Map<string, Channel>()
  readonly #ends: (() => void)[] = []
  #socket: WebSocket | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #failed = 0
  #unopened = 0
  /** How the connection is. */
  status: Status = 'connecting'

  constructor(private readonly client: Client, private readonly options: RealtimeOptions = {}) {
    this.#Socket = options.WebSocket === undefined ? ((globalThis.WebSocket as typeof WebSocket | undefined) ?? null) : options.WebSocket
    // A timer that comes late was asleep: the connection is not what it seems.
    let ticked = Date.now()
    const tick = setInterval(() => {
      if (Date.now() - ticked > 3 * TICK_MS) this.reconnect()
      ticked = Date.now()
    }, TICK_MS)
    ;(tick as { unref?: () => void }).unref?.()
    this.#ends.push(() => clearInterval(tick))
    const heard = () => this.reconnect()
    for (const [target, event] of [[globalThis, 'online'], [(globalThis.navigator as any)?.connection as EventTarget | undefined, 'change']] as const) {
      target?.addEventListener?.(event, heard)
      this.#ends.push(() => target?.removeEventListener?.(event, heard))
    }
    void this.#connect()
  }

  /** Listen to a channel; on_presence: and be counted as there.  Returns what sends to it, and what leaves it. */
  subscribe(name: string, listener: Listener): { send: (data: object) => void, leave: () => void } {
    if (this.#channels.has(name)) throw new TypeError(`${name} is subscribed already`)
    const channel: Channel = { ...listener, isLive: false, users: new Set() }
    this.#channels.set(name, channel)
    if (this.#socket?.readyState === 1) this.#join(name)
    else if (this.#isStreaming()) void this.#follow(name, channel)
    return {
      send: (data) => {
        if (!channel.isLive || this.#socket?.readyState !== 1) throw new AshlarError(0, 'NETWORK_ERROR', `${name} is not connected by a WebSocket now`)
        this.#say({ type: 'message', channel: name, data })
      },
      leave: () => {
        if (this.#channels.get(name) !== channel) return
        this.#channels.delete(name)
        channel.stream?.abort()
        if (this.#socket?.readyState === 1) this.#say({ type: 'unsubscribe', channel: name })
      },
    }
  }

  /** Connect anew at once, as after sleep; what was missed comes. */
  reconnect(): void {
    if (this.status === 'closed') return
    this.#drop()
    this.#failed = this.#unopened = 0
    void this.#connect()
  }

  close(): void {
    this.#become('closed')
    this.#drop()
    for (const end of this.#ends) end()
  }

  #isStreaming = () => this.#Socket === null || this.#unopened >= TRIES

  #become(status: Status): void {
    if (status === this.status || this.status === 'closed') return
    this.status = status
    this.options.on_status?.(status)
  }

  #say = (what: object) => this.#socket!.send(JSON.stringify(what))

  // One channel, or all that are not heard yet.
  #join(only?: string): void {
    for (const [channel, { last, on_presence, isLive }] of this.#channels)
      if ((only === undefined ? !isLive : channel === only) && this.#socket?.readyState === 1) this.#say({ type: 'subscribe', channel, ...(last !== undefined && { last_event_id: last }), ...(on_presence && { presence: true }) })
  }

  // What there is of a connection; the channels keep where they are.
  #drop(): void {
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = undefined
    socket?.close()
    for (const channel of this.#channels.values()) {
      channel.isLive = false
      channel.stream?.abort()
      channel.stream = undefined
    }
  }

  #again(after_s?: number): void {
    if (this.status === 'closed') return
    this.#become('offline')
    this.#drop()
    this.#timer = setTimeout(() => void this.#connect(), after_s === undefined ? backoff(this.#failed++) : after_s * 1000)
  }

  async #connect(): Promise<void> {
    this.#become('connecting')
    if (this.#isStreaming()) return this.#channels.forEach((channel, name) => void this.#follow(name, channel))
    let opened = false
    try {
      const { ticket } = await this.client.json<{ ticket: string }>('POST', '/api/v1/app/ws/ticket', { retries: 0, signal: AbortSignal.timeout(20_000) })
      if (this.status === 'closed' || this.#socket) return
      const socket = new this.#Socket!(`${this.client.url.replace(/^http/, 'ws')}/api/v1/app/ws?ticket=${ticket}`)
      this.#socket = socket
      socket.onopen = () => {
        opened = true
        this.#unopened = 0
        this.#join()
      }
      socket.onmessage = ({ data }) => this.#socket === socket && this.#take(JSON.parse(data as string) as Message)
      socket.onerror = () => {} // npm ws throws what nobody hears; onclose follows
      socket.onclose = ({ code }) => {
        if (this.#socket !== socket) return
        if (!opened) this.#unopened++
        this.#again(code === 4401 && this.status === 'online' ? 0 : undefined) // its token has ended: another ticket
      }
    } catch (error) {
      this.#refused(error)
    }
  }

  // Without a ticket: who is not let in any more has to sign in; all else passes.
  #refused(error: unknown): void {
    if (error instanceof AshlarError && (error.status === 401 || error.status === 403)) {
      for (const channel of this.#channels.values()) channel.on_error?.(error)
      this.close()
    } else this.#again(error instanceof AshlarError ? error.retry_after : undefined)
  }

  // The same by an event stream, of one channel.
  async #follow(name: string, channel: Channel): Promise<void> {
    channel.stream?.abort()
    const stream = (channel.stream = new AbortController())
    for (let failed = 0; !stream.signal.aborted; failed++) {
      let after_s = 0
      try {
        const response = await this.client.request('GET', `/api/v1/app/events?channel=${encodeURIComponent(name)}`, {
          accept: 'text/event-stream', retries: 0, signal: stream.signal, ...(channel.last !== undefined && { headers: { 'Last-Event-ID': String(channel.last) } }),
        })
        for await (const { data } of eventsOf(response)) {
          failed = 0
          if (!stream.signal.aborted) this.#take({ channel: name, ...data })
        }
      } catch (error) {
        if (stream.signal.aborted) return
        if (error instanceof AshlarError && error.status === 401) return this.#refused(error)
        if (error instanceof AshlarError && [403, 404, 422].includes(error.status)) return this.#leave(name, error)
        if (error instanceof AshlarError) after_s = error.retry_after ?? 0
      }
      channel.isLive = false
      this.#become('offline')
      await new Promise((done) => setTimeout(done, after_s * 1000 + backoff(failed)))
    }
  }

  #leave(name: string, error: AshlarError): void {
    const channel = this.#channels.get(name)
    this.#channels.delete(name)
    channel?.stream?.abort()
    channel?.on_error?.(error)
  }

  #take(message: Message): void {
    const channel = this.#channels.get(message.channel), { type, event_id } = message
    if (type === 'connected') {
      this.#failed = 0
      this.#become('online')
    }
    // Of what was said too fast, the server drops all, and does not say which.
    if (type === 'error' && message['code'] === 'RATE_LIMITED') {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#join(), RATE_MS)
    }
    if (!channel) return type === 'connected' || type === 'subscribed' || type === 'unsubscribed' ? undefined : this.options.on_message?.(message)
    if (type === 'error' || (type === 'unsubscribed' && message['code'])) {
      const said = message['code'] as string, isForbidden = said === 'FORBIDDEN'
      if (said === 'UNAVAILABLE') return this.#again()
      return this.#leave(message.channel, new AshlarError(isForbidden ? 403 : 409, isForbidden ? 'AUTHORIZATION_ERROR' : 'CONFLICT', message['message'] ?? said, { details: { code: said } }))
    }
    if (type === 'subscribed') {
      const isFirst = channel.last === undefined
      channel.isLive = true
      if (!message['recovered'] && event_id !== undefined) channel.last = event_id
      return isFirst || message['recovered'] ? undefined : channel.on_missed?.()
    }
    if (type === 'presence') {
      if (message['event'] === 'state') channel.users = new Set((message['users'] as { user_id: string }[]).map((user) => user.user_id))
      else channel.users[message['event'] === 'join' ? 'add' : 'delete'](message['user_id'] as string)
      return channel.on_presence?.([...channel.users])
    }
    if (event_id !== undefined && channel.isLive) {
      if (channel.last !== undefined && event_id <= channel.last) return // it was heard before
      channel.last = event_id
    }
    channel.on_message?.(message)
  }
}
