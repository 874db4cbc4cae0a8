// What every test here stands on: the server that t/clients/sdk.t started, clients of it, and a way to have that file do what only
// it can: restart a server, look into the database.
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, memoryStorage } from 'ashlar'
import * as app from 'ashlar/app'
import { notedFetch } from './answers.mjs'

// url, key (public, of a tenant that rotates), origin, secret (of the same), still (a public key of one that does not rotate), models, dir
export const server = JSON.parse(process.env.SERVER)
export const password = 'Correct-Horse-7'

// A page's calls have its origin, which Node's fetch leaves out.
export const asPage = (headers = {}) => ({ Origin: server.origin, ...headers })

/** Whether it comes true; asked again until then. */
export async function eventually(what, check) {
  const until = Date.now() + 60_000
  for (;;) {
    const found = await check()
    if (found) return found
    if (Date.now() > until) throw new Error(`never: ${what}`)
    await sleep(20)
  }
}

/** Have sdk.t do something, and wait for what it says of it. */
export async function act(name, ...args) {
  const file = `${server.dir}/${randomUUID()}`
  writeFileSync(`${file}.new`, JSON.stringify([name, ...args]))
  renameSync(`${file}.new`, `${file}.ask`)
  await eventually(`${name} is done`, () => existsSync(`${file}.done`))
  const [answer] = JSON.parse(readFileSync(`${file}.done`, 'utf8'))
  rmSync(`${file}.done`)
  return answer
}

export const address = () => `${randomUUID()}@example.com`

/** fetch, whose answers are compared with the reference like those of every test; a stream's have no end. */
export const noted = (url, init = {}) => (init.headers?.Accept === 'text/event-stream' ? fetch(url, init) : notedFetch(new Request(url, init)))

/** fetch, counted: by "METHOD path". */
export function counted(inner = noted) {
  const asked = []
  const counting = (url, init = {}) => {
    asked.push(`${init.method ?? 'GET'} ${new URL(url).pathname}`)
    return inner(url, init)
  }
  return { fetch: counting, asked, count: (what) => asked.filter((one) => one === what).length }
}

/** A client whose user has signed up; storage and all else as it is given. */
export async function somebody(options = {}, nouns = app) {
  const ashlar = createClient({ url: server.url, key: server.key, headers: asPage(), storage: memoryStorage(), fetch: noted, ...options }, nouns)
  const email = address()
  // Not repeated by the SDK, since it is not safe: a connection that nginx gives up at that very moment is Node's to meet.
  const signUp = () => ashlar.auth.signUp({ email, password })
  const { user } = await signUp().catch((error) => (error.code === 'NETWORK_ERROR' ? signUp() : Promise.reject(error)))
  return Object.assign(ashlar, { email, user })
}
