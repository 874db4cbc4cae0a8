// What an operation takes and gives, out of the types that openapi-typescript makes of the document.
import type { operations } from './schema.js'
import type { Pages } from './lists.js'
import type { ServerEvent } from './sse.js'

export type Operation = keyof operations
type None = Record<never, never>
type Given<T> = [T] extends [never] ? None : T
type Part<O extends Operation, W extends 'path' | 'query'> = Given<NonNullable<operations[O]['parameters'][W]>>
type Content<O extends Operation> = NonNullable<operations[O]['requestBody']> extends { content: infer C } ? C : None
// Of a form, what is described as bytes is a Blob or a File.
type Form<F> = { [K in keyof F]: K extends 'file' ? Blob : F[K] }
type Body<O extends Operation> = Content<O> extends { 'application/json': infer B }
  ? B
  : Content<O> extends { 'multipart/form-data': infer F } ? Form<F> : None
type Good<O extends Operation> = operations[O]['responses'][keyof operations[O]['responses'] & (200 | 201 | 202 | 204)]
type Answered<R> = R extends { content: infer C }
  ? C extends { 'application/json': infer J } ? J : C extends { '*/*': unknown } ? Blob : [C[keyof C]] extends [never] ? undefined : string
  : undefined

/** All that an operation takes, in one object: what its path, its query and its body name. */
export type Args<O extends Operation> = Part<O, 'path'> & Part<O, 'query'> & Body<O>
/** What it answers. */
export type Answer<O extends Operation> = Answered<Good<O>>

type At<T, P extends string> = P extends '' ? T : P extends `${infer H}.${infer R}` ? At<T[H & keyof T], R> : T[P & keyof T]
/** A row of a list: P is where the rows are in the answer. */
export type Row<O extends Operation, P extends string> = NonNullable<At<Answer<O>, P>> extends readonly (infer R)[] ? R : never

/** How one call differs from what the client was made with. */
export interface CallOptions {
  signal?: AbortSignal
  headers?: Record<string, string>
  /** The workspace of a member; else the client's. */
  workspace?: string
  /** Changes only what has this ETag: else the answer is a 412. */
  if_match?: string
  /** Sent with a POST; a new one for each call, if left out. */
  idempotency_key?: string
  /** How often a call that may be repeated is; else the client's. */
  retries?: number
  /** In the place of what the arguments say: sent as JSON, but for what fetch sends as it is: text, forms, blobs, bytes. */
  body?: unknown
  /** Given the answer itself, with its headers, before its body is read. */
  on_response?: (response: Response) => void
}

type Asked<O extends Operation, R, A = Args<O>> = None extends A ? (args?: A, options?: CallOptions) => R : (args: A, options?: CallOptions) => R
export type Call<O extends Operation> = Asked<O, Promise<Answer<O>>>
export type ListCall<O extends Operation, P extends string> = Asked<O, Pages<Answer<O>, Row<O, P>>>
/** A list that is a file, too, with all of it: for a spreadsheet, or a line of JSON for each row. */
export type FileCall<O extends Operation, P extends string> = ListCall<O, P> & { csv: Asked<O, Promise<Blob>>, ndjson: Asked<O, Promise<Blob>> }
export type StreamCall<O extends Operation> = Asked<O, AsyncGenerator<ServerEvent, void, undefined>>
/** Both at once: the call answers when all is there, its stream() with each piece as it comes. */
export type TellingCall<O extends Operation> = Call<O> & { stream: Asked<O, AsyncGenerator<ServerEvent, void, undefined>, Omit<Args<O>, 'stream'>> }

declare const calls: unique symbol
/** A noun of the API, which createClient() makes callable; by itself it is only data. */
export type Noun<C> = { readonly [calls]: C }
/** What createClient() makes of the nouns that it is given. */
export type Bound<N> = { readonly [K in keyof N]: N[K] extends Noun<infer C> ? C : Bound<N[K]> }
