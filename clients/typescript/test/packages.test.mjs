// The package, as who installs it finds it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import * as esbuild from 'esbuild'
import { server } from './harness.mjs'

const require = createRequire(import.meta.url)
const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, 'node_modules/ashlar')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

async function bundle(source, options) {
  const { outputFiles, metafile } = await esbuild.build({
    stdin: { contents: source, resolveDir: here }, bundle: true, minify: true, format: 'esm', target: 'es2022', platform: 'browser', write: false, metafile: true, ...options,
  })
  return { text: outputFiles[0].text, gzip: gzipSync(outputFiles[0].contents, { level: 9 }).length, inputs: Object.keys(metafile.inputs) }
}

test('it depends on nothing, and has the version of the server', () => {
  assert.equal(manifest.version, server.version)
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies']) assert.equal(manifest[kind], undefined)
  const imports = readdirSync(join(root, 'dist')).filter((file) => /\.c?js$/.test(file)).flatMap((file) =>
    [...readFileSync(join(root, 'dist', file), 'utf8').matchAll(/(?:from |import |require\()["']([^"']+)["']/g)].map((found) => found[1]))
  assert.deepEqual([...new Set(imports.filter((name) => !name.startsWith('./')))], [])
})

test('ESM and CommonJS have the same', async () => {
  for (const entry of Object.keys(manifest.exports).filter((name) => name !== './schema')) {
    const name = `ashlar${entry.slice(1)}`
    assert.deepEqual(Object.keys(require(name)).filter((each) => each !== '__esModule').sort(), Object.keys(await import(name)).sort(), name)
  }
  assert.equal(typeof require('ashlar').createClient, 'function')
})

test('each operation of the document is there once, by its own name', async () => {
  const document = await (await fetch(`${server.url}/openapi.json`)).json()
  const there = []
  for (const entry of Object.keys(manifest.exports).slice(1).filter((name) => name !== './schema'))
    for (const noun of Object.values(await import(`ashlar${entry.slice(1)}`)))
      for (const line of Object.values(noun)) there.push(line.split(' ').slice(0, 2).join(' '))
  const wanted = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).flatMap(([method, { operationId }]) =>
    /_(?:swagger_ui|redoc|openapi_json|openapi|websocket|google_callback)(?:_v2)?$/.test(operationId) ? [] : [`${method.toUpperCase()} ${path}`]))
  assert.deepEqual(there.sort(), wanted.sort())
  const { projects } = await import('ashlar/app')
  assert.match(projects.list, /^GET \/api\/v1\/app\/projects /)
})

test('what is not used is left out: sign-in and one resource are under 12 KB', async () => {
  const one = await bundle(`import { createClient } from 'ashlar'; import { projects } from 'ashlar/app'; globalThis.ashlar = createClient({}, { projects })`)
  assert.ok(one.gzip < 12 * 1024, `${one.gzip} bytes`)
  assert.doesNotMatch(one.text, /app\/billing|webhook-signature|task-queue/)
  assert.match(one.text, /app\/projects/)
  const none = await bundle(`import 'ashlar'; import 'ashlar/platform'`)
  assert.equal(none.text.trim(), '')
})

test('types are right under strict, for ESM and for CommonJS, and what is wrong does not compile', () => {
  const good = `
    import { createClient, AshlarError } from 'ashlar'
    import { ai, files, health, projects } from 'ashlar/app'
    import * as platform from 'ashlar/platform'
    export async function run(): Promise<string | null> {
      const ashlar = createClient({ url: 'https://api.example.com' }, { ai, files, health, projects, platform })
      const made = await ashlar.projects.create({ name: 'Website' }, { idempotency_key: 'k' })
      const id: string = made.id
      const { items, total } = await ashlar.projects.list({ search: 'web' })
      const n: number = total + items.length
      for await (const project of ashlar.projects.list()) if (project.name === id) return project.description
      await ashlar.projects.update({ project_id: id, name: 'Shop' }, { if_match: '"1"' })
      const nothing: undefined = await ashlar.projects.delete({ project_id: id })
      for await (const { event, data } of ashlar.ai.createChat.stream({ prompt: 'x' })) console.log(event, data)
      const { file } = await ashlar.platform.files.upload({ file: new Blob(['x']), folder_id: id })
      const bytes: Blob = await ashlar.platform.files.download({ file_id: file.id })
      for await (const key of ashlar.platform.apikeys.listDashboardKeys()) console.log(key.prefix)
      for await (const event of ashlar.platform.webhooksOut.listWebhookEvents()) console.log(event.type)
      const sheet: Blob = await ashlar.platform.usage.listUsageDays.csv({ from: '2026-01-01' })
      const text: string = await ashlar.health.getPrometheusMetrics()
      await ashlar.projects.create({ name: text }, { body: sheet })
      try { await ashlar.auth.signIn({ email: 'a', password: 'b' }) } catch (error) {
        if (error instanceof AshlarError && error.code === 'VALIDATION_ERROR') return error.field ?? null
      }
      return nothing ?? String(n + bytes.size)
    }`
  const wrong = [
    `ashlar.projects.create({})`, `ashlar.projects.create()`, `ashlar.projects.create({ name: 7 })`, `ashlar.projects.get({})`, `ashlar.projects.list({ serach: 'x' })`,
    `ashlar.projects.nothing()`, `ashlar.billing.getBillingStatus()`, `projects.list()`, `ashlar.projects.list().then((page) => page.things)`, `ashlar.projects.list.stream({})`, `ashlar.projects.list.csv()`,
    `ashlar.projects.get({ project_id: 'x' }).then((one) => one.title)`, `new AshlarError(400, 'NO_SUCH_CODE', 'x')`, `ashlar.auth.signIn({ email: 'x' })`,
  ]
  const bad = `import { createClient, AshlarError } from 'ashlar'\nimport { projects } from 'ashlar/app'\nconst ashlar = createClient({}, { projects })\n${wrong.join('\n')}\nexport { AshlarError }\n`
  writeFileSync(join(here, 'good.mts'), good)
  writeFileSync(join(here, 'good.cts'), good)
  writeFileSync(join(here, 'bad.mts'), bad)
  const compile = (file) => {
    try {
      execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom,dom.iterable', join(here, file)], { encoding: 'utf8' })
      return ''
    } catch (error) {
      return error.stdout
    }
  }
  for (const file of ['good.mts', 'good.cts']) assert.equal(compile(file), '', file)
  const lines = [...compile('bad.mts').matchAll(/bad\.mts\((\d+),\d+\): error TS\d+/g)].map((found) => Number(found[1]))
  assert.deepEqual([...new Set(lines)], wrong.map((_, n) => n + 4), wrong.filter((_, n) => !lines.includes(n + 4)).join('; '))
})

test('what the document says is what an editor shows', () => {
  const types = readFileSync(join(root, 'dist/app.d.ts'), 'utf8')
  assert.match(types, /\* List my projects\n\s+\*\n\s+\* Newest first\.[^/]*`GET \/api\/v1\/app\/projects`\n\s+\*\/\n\s+list: ListCall<'list_app_projects', 'items'>/)
})
