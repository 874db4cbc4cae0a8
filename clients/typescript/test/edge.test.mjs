// An edge worker: what the web has, and nothing of Node's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EdgeVM } from '@edge-runtime/vm'
import * as esbuild from 'esbuild'
import { asPage, password, server, somebody } from './harness.mjs'

test('sign-in, calls, lists, errors and webhooks', async () => {
  const ann = await somebody()
  const { outputFiles } = await esbuild.build({
    stdin: { resolveDir: new URL('.', import.meta.url).pathname, contents: `
      import { createClient, memoryStorage, verifyWebhook, AshlarError, textsOf } from 'ashlar'
      import { ai, projects } from 'ashlar/app'
      globalThis.run = async ({ url, key, headers, email, password }) => {
        const ashlar = createClient({ url, key, headers, storage: memoryStorage() }, { ai, projects })
        await ashlar.auth.signIn({ email, password })
        for (let n = 0; n < 25; n++) await ashlar.projects.create({ name: 'from the edge ' + n })
        const names = []
        for await (const project of ashlar.projects.list()) names.push(project.name)
        const refused = await ashlar.projects.create({ name: '' }).catch((error) => (error instanceof AshlarError ? [error.code, error.field] : String(error)))
        const forged = await verifyWebhook('{}', {}, 'whsec_AAAA').catch((error) => error.name)
        return JSON.stringify({ names: names.length, refused, forged, node: typeof globalThis.process + typeof globalThis.Buffer })
      }` },
    bundle: true, format: 'iife', target: 'es2022', write: false,
  })
  const vm = new EdgeVM({ extend: (context) => Object.assign(context, { fetch: globalThis.fetch }) })
  vm.evaluate(outputFiles[0].text)
  const said = JSON.parse(await vm.evaluate('run')({ url: server.url, key: server.key, headers: asPage(), email: ann.email, password }))
  assert.deepEqual(said, { names: 25, refused: ['VALIDATION_ERROR', 'name'], forged: 'WebhookError', node: 'undefinedundefined' })
})
