// What the TypeScript SDK costs: its size as a bundler makes it, and its time beside a plain fetch(), paired: round by round, one after the
// other, the CPU of this process, against a server of this machine in a process of its own.
//
//	make sdk && node bench/sdk.mjs [ROUNDS]
//
// README.md beside this file says how to read the figures; CLIENTS.md has them.
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const sdk = join(dirname(fileURLToPath(import.meta.url)), '../build/sdk')
const body = JSON.stringify({ items: Array.from({ length: 20 }, (_, n) => ({ id: crypto.randomUUID(), name: `project ${n}`, description: null, owner_id: 'user_demo', created_at: '2026-01-31T12:00:00.000Z', updated_at: '2026-01-31T12:00:00.000Z' })), total: 41, skip: 0, limit: 20 })

if (process.argv[2] === 'serve') {
  const http = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(body))
  http.listen(0, '127.0.0.1', () => process.send(http.address().port))
} else {
  const { build } = createRequire(join(sdk, 'x.js'))('esbuild')
  const size = async (name, contents) => {
    const { outputFiles: [file] } = await build({ stdin: { contents, resolveDir: join(sdk, 'package/dist') }, bundle: true, minify: true, format: 'esm', target: 'es2022', write: false })
    console.log(`${name}: ${(file.contents.length / 1024).toFixed(1)} KiB, ${(gzipSync(file.contents, { level: 9 }).length / 1024).toFixed(1)} KiB gzip`)
  }
  await size('sign-in and one noun', `import { createClient } from './index.js'; import { projects } from './app.js'; globalThis.a = createClient({}, { projects })`)
  await size('with realtime', `import { createClient, Realtime } from './index.js'; import { projects } from './app.js'; globalThis.a = createClient({}, { projects }); globalThis.r = Realtime`)
  await size('with uploads', `import { createClient, upload } from './index.js'; import { projects } from './app.js'; globalThis.a = createClient({}, { projects }); globalThis.u = upload`)
  await size('all nouns of app', `import { createClient } from './index.js'; import * as app from './app.js'; globalThis.a = createClient({}, app)`)
  await size('everything', `export * from './index.js'; ${['app', 'observability', 'operations', 'platform', 'v2', 'workspace'].map((name) => `export * as ${name} from './${name}.js'`).join(';')}`)

  const { createClient, memoryStorage } = await import(join(sdk, 'package/dist/index.js'))
  const { projects } = await import(join(sdk, 'package/dist/app.js'))
  const server = fork(fileURLToPath(import.meta.url), ['serve'])
  const url = `http://127.0.0.1:${await new Promise((done) => server.once('message', done))}`
  const tokens = { access_token: 'x'.repeat(400), refresh_token: 'y', renew_at: Date.now() + 3_600_000 }
  const ashlar = createClient({ url, storage: memoryStorage(tokens) }, { projects })
  const nothing = createClient({ url, storage: memoryStorage(tokens), fetch: async () => new Response(body, { headers: { 'Content-Type': 'application/json' } }) }, { projects })
  const ways = {
    'fetch, and its JSON': async () => (await fetch(`${url}/api/v1/app/projects?search=web`, { headers: { Accept: 'application/json', Authorization: `Bearer ${tokens.access_token}` } })).json(),
    'the SDK': () => ashlar.projects.list({ search: 'web' }).then((page) => page),
    'a Response that is there, and its JSON': async () => new Response(body, { headers: { 'Content-Type': 'application/json' } }).json(),
    'the same by the SDK': () => nothing.projects.list({ search: 'web' }).then((page) => page),
  }
  const calls = 2000, times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
  for (let round = 0; round <= Number(process.argv[2] ?? 15); round++)
    for (const [name, ask] of Object.entries(ways)) {
      const before = process.cpuUsage(), started = performance.now()
      for (let n = 0; n < calls; n++) await ask()
      const { user, system } = process.cpuUsage(before)
      if (round) times[name].push([(user + system) / calls, calls / ((performance.now() - started) / 1000)])
    }
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
  for (const [name, all] of Object.entries(times)) console.log(`${name}: ${median(all.map(([cpu]) => cpu)).toFixed(1)} µs of the CPU a call, ${Math.round(median(all.map(([, rate]) => rate)))} calls a second`)
  const more = (one, other) => median(times[one].map(([cpu], n) => cpu - times[other][n][0])).toFixed(1)
  console.log(`the SDK's own: ${more('the SDK', 'fetch, and its JSON')} µs with the network, ${more('the same by the SDK', 'a Response that is there, and its JSON')} µs without`)
  server.kill()
}
