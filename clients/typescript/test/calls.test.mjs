// Calls, errors and what is repeated.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { AshlarError, createClient, memoryStorage } from 'ashlar'
import { ai, health, projects } from 'ashlar/app'
import { jobs } from 'ashlar/operations'
import { files, organizations, usage } from 'ashlar/platform'
import { teams } from 'ashlar/workspace'
import { asPage, counted, noted, server, somebody } from './harness.mjs'

const is = (status, code, more = {}) => (error) => {
  assert.ok(error instanceof AshlarError, `${error}`)
  assert.deepEqual({ status: error.status, code: error.code, ...Object.fromEntries(Object.keys(more).map((name) => [name, error[name]])) }, { status, code, ...more })
  return true
}

test('a resource is made, read, changed, listed and deleted', async () => {
  const ann = await somebody()
  const made = await ann.projects.create({ name: 'Website', description: 'säfe 😀' })
  assert.equal(made.description, 'säfe 😀')
  assert.deepEqual(await ann.projects.get({ project_id: made.id }), made)
  const { items, total } = await ann.projects.list({ search: 'webs' })
  assert.deepEqual([total, items[0].id], [1, made.id])
  const changed = await ann.projects.update({ project_id: made.id, description: null })
  assert.equal(changed.description, null)
  assert.equal(await ann.projects.delete({ project_id: made.id }), undefined)
  await assert.rejects(() => ann.projects.get({ project_id: made.id }), is(404, 'NOT_FOUND'))
})

test('an error says what it is, where, and what the log knows it by', async () => {
  const ann = await somebody()
  await assert.rejects(() => ann.projects.create({ name: '' }), is(422, 'VALIDATION_ERROR', { field: 'name', retry_after: undefined }))
  await assert.rejects(() => ann.projects.list({ limit: 1000 }), is(422, 'VALIDATION_ERROR', { field: 'limit' }))
  const error = await ann.projects.get({ project_id: '01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f' }, { headers: { 'X-Request-ID': 'sdk-1' } }).catch((each) => each)
  assert.equal(error.request_id, 'sdk-1')
  assert.equal(error.details.resource, 'Project')
  await assert.rejects(() => createClient({ url: server.url, storage: memoryStorage() }, { projects }).projects.list(), is(401, 'AUTHENTICATION_ERROR'))
  await assert.rejects(() => ann.projects.get({}), /project_id is missing/)
})

test('what was changed meanwhile is not changed again', async () => {
  const ann = await somebody()
  const { id } = await ann.projects.create({ name: 'one' })
  let tag
  await ann.projects.get({ project_id: id }, { on_response: (response) => (tag = response.headers.get('ETag')) })
  await ann.projects.update({ project_id: id, name: 'two' }, { if_match: tag })
  await assert.rejects(() => ann.projects.update({ project_id: id, name: 'three' }, { if_match: tag }), is(412, 'PRECONDITION_FAILED'))
})

test('forms, bytes and workspaces', async () => {
  const ann = await somebody({}, { files, organizations, teams })
  const { folder_id, ...none } = { folder_id: undefined }
  const { file } = await ann.files.upload({ ...none, file: new File(['High water at 6:10.'], 'tides.txt', { type: 'text/plain' }), description: 'Tides' })
  assert.equal(file.original_filename, 'tides.txt')
  const bytes = await ann.files.download({ file_id: file.id })
  assert.equal(await bytes.text(), 'High water at 6:10.')
  const made = await ann.organizations.create({ name: 'Engines', slug: crypto.randomUUID() })
  await ann.teams.create({ name: 'Sales' }, { workspace: made.id })
  const there = await ann.teams.list({}, { workspace: made.id })
  assert.deepEqual(there.teams.map((team) => team.name), ['Sales'])
  await assert.rejects(() => ann.teams.list({}, { workspace: '01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f' }), (error) => error.status === 403 || error.status === 404)
})

test('a list is a file, too, and text is text', async () => {
  const secret = createClient({ url: server.url, key: server.secret, fetch: noted }, { health, usage })
  const sheet = await secret.usage.listUsageDays.csv({ from: '2026-01-01', to: '2026-01-31' })
  assert.match(sheet.type, /^text\/csv/)
  assert.match(await sheet.text(), /^date,metric,/)
  assert.equal(await (await secret.usage.listUsageDays.ndjson({ from: '2026-01-01', to: '2026-01-31' })).text(), '')
  assert.match(await secret.health.getPrometheusMetrics(), /^# HELP /)
})

test('a secret key calls without a session', async () => {
  const ashlar = createClient({ url: server.url, key: server.secret, storage: memoryStorage() }, { projects })
  await assert.rejects(() => ashlar.projects.list(), is(401, 'AUTHENTICATION_ERROR'))
  const all = createClient({ url: server.url, key: server.secret, storage: memoryStorage() }, { jobs })
  assert.ok((await all.jobs.getQueueStats()).data.totals)
  const wrong = createClient({ url: server.url, key: `${server.secret.slice(0, -4)}AAAA`, storage: memoryStorage() })
  await assert.rejects(() => wrong.auth.signIn({ email: 'a@example.com', password: 'x' }), is(401, 'INVALID_API_KEY'))
})

test('a token of somebody else is taken in the place of a session, and asked for each time', async () => {
  const ann = await somebody()
  let asked = 0
  const other = createClient({ url: server.url, key: server.key, headers: asPage(), token: async () => (asked++, (await ann.session.tokens()).access_token) }, { projects })
  await other.projects.create({ name: 'theirs' })
  assert.equal((await other.projects.list()).total, 1)
  assert.equal(asked, 2)
})

// A server that answers as it is told, one answer after the other.
async function stub(...answers) {
  const seen = []
  const http = createServer((request, response) => {
    const body = []
    request.on('data', (piece) => body.push(piece)).on('end', () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(body).toString() })
      const answer = answers[Math.min(seen.length, answers.length) - 1]
      if (answer === 'cut') return request.socket.destroy()
      const { status = 200, headers = {}, json = {} } = answer
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(status === 204 ? undefined : JSON.stringify(json))
    })
  })
  await new Promise((done) => http.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${http.address().port}`
  return { url, seen, ashlar: createClient({ url, storage: memoryStorage() }, { projects, files }), close: () => http.close() }
}
const failed = (code) => ({ error: { code, message: code, details: {} }, detail: code })
const made = { status: 201, json: { id: '1', name: 'x' } }

for (const [what, ...answers] of [
  ['a 503', { status: 503, json: failed('SERVICE_UNAVAILABLE') }, made],
  ['a 429', { status: 429, headers: { 'Retry-After': '0' }, json: failed('RATE_LIMIT_EXCEEDED') }, made],
  ['what is no JSON of a proxy', { status: 502, headers: { 'Content-Type': 'text/html' } }, { status: 504 }, made],
  ['a connection that breaks', 'cut', made],
  ['a first one that still runs', { status: 409, json: failed('IDEMPOTENCY_KEY_IN_USE') }, made],
])
  test(`a POST is sent again after ${what}, with the same key and body`, async () => {
    const { ashlar, seen, close } = await stub(...answers)
    assert.equal((await ashlar.projects.create({ name: 'x' })).id, '1')
    assert.equal(seen.length, answers.length)
    assert.match(seen[0].headers['idempotency-key'], /^[0-9a-f-]{36}$/)
    assert.equal(new Set(seen.map((one) => `${one.headers['idempotency-key']} ${one.body}`)).size, 1)
    await ashlar.projects.create({ name: 'y' })
    assert.notEqual(seen.at(-1).headers['idempotency-key'], seen[0].headers['idempotency-key'])
    close()
  })

test('Retry-After is waited for, in seconds and as a day', async () => {
  for (const when of [() => '1', () => new Date(Date.now() + 2000).toUTCString()]) {
    const started = Date.now()
    const { ashlar, seen, close } = await stub({ status: 429, headers: { 'Retry-After': when() }, json: failed('RATE_LIMIT_EXCEEDED') }, { json: { items: [], total: 0, skip: 0, limit: 20 } })
    await ashlar.projects.list()
    assert.equal(seen.length, 2)
    assert.ok(Date.now() - started >= 900, 'not sooner')
    close()
  }
})

test('a day to wait until is one of the server\'s clock', async () => {
  const hour = (seconds) => new Date(Date.now() + 3_600_000 + seconds * 1000).toUTCString()
  const { ashlar, close } = await stub({ status: 429, headers: { Date: hour(0), 'Retry-After': hour(5) }, json: failed('RATE_LIMIT_EXCEEDED') })
  const error = await ashlar.projects.list({}, { retries: 0 }).catch((each) => each)
  assert.ok(error.retry_after >= 4 && error.retry_after <= 6, `${error.retry_after}`)
  close()
})

test('an answer that breaks off is none', async () => {
  const http = createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': request.headers.accept, 'Content-Length': '1000' }).write('{"items":[{}')
    setTimeout(() => request.socket.destroy(), 20)
  })
  await new Promise((done) => http.listen(0, '127.0.0.1', done))
  const ashlar = createClient({ url: `http://127.0.0.1:${http.address().port}`, storage: memoryStorage() }, { ai, projects })
  await assert.rejects(async () => ashlar.projects.list(), is(0, 'NETWORK_ERROR'))
  await assert.rejects(async () => { for await (const event of ashlar.ai.createChat.stream({ prompt: 'x' })) assert.fail(event) }, is(0, 'NETWORK_ERROR'))
  await assert.rejects(() => ashlar.auth.signIn({ email: 'a@example.com', password: 'x' }), is(0, 'NETWORK_ERROR'))
  http.close()
})

test('what nobody wants to wait for is told', async () => {
  const { ashlar, seen, close } = await stub({ status: 429, headers: { 'Retry-After': '900' }, json: failed('RATE_LIMIT_EXCEEDED') })
  await assert.rejects(() => ashlar.projects.list(), is(429, 'RATE_LIMIT_EXCEEDED', { retry_after: 900 }))
  assert.equal(seen.length, 1)
  close()
})

test('what is not safe is not sent twice', async () => {
  for (const [status, code] of [[500, 'INTERNAL_ERROR'], [422, 'VALIDATION_ERROR'], [409, 'CONFLICT'], [402, 'LIMIT_EXCEEDED']]) {
    const { ashlar, seen, close } = await stub({ status, json: failed(code) })
    await assert.rejects(() => ashlar.projects.create({ name: 'x' }), is(status, code))
    assert.equal(seen.length, 1, code)
    close()
  }
  for (const answer of ['cut', { status: 503, json: failed('SERVICE_UNAVAILABLE') }]) {
    const { ashlar, seen, close } = await stub(answer)
    await assert.rejects(() => ashlar.projects.update({ project_id: '1', name: 'x' }), is(answer === 'cut' ? 0 : 503, answer === 'cut' ? 'NETWORK_ERROR' : 'SERVICE_UNAVAILABLE'))
    assert.equal(seen.length, 1, 'a PATCH')
    await assert.rejects(() => ashlar.auth.signIn({ email: 'a@example.com', password: 'x' }))
    assert.equal(seen.length, 2, 'a sign-in')
    close()
  }
})

test('it is given up after as many times as was said, and when it is aborted', async () => {
  const down = { status: 503, json: failed('SERVICE_UNAVAILABLE') }
  const { ashlar, seen, close } = await stub(down)
  await assert.rejects(() => ashlar.projects.list({}, { retries: 1 }), is(503, 'SERVICE_UNAVAILABLE'))
  assert.equal(seen.length, 2)
  const abort = new AbortController()
  const asking = ashlar.projects.list({}, { retries: 1000, signal: abort.signal }).then(() => 'answered', (error) => error)
  while (seen.length < 4) await new Promise(setImmediate)
  abort.abort(new Error('enough'))
  assert.equal((await asking).message, 'enough')
  const there = seen.length
  await ashlar.projects.list({}, { retries: 0 }).catch(() => {})
  assert.equal(seen.length, there + 1, 'nothing was asked behind it')
  close()
})

test('a POST that was carried out, but whose answer was lost, is carried out once', async () => {
  let lost = 0
  const { fetch: counting, count } = counted(async (url, init) => {
    const response = await noted(url, init)
    if (init.method === 'POST' && url.endsWith('/projects') && !lost++) throw new TypeError('the answer is lost')
    return response
  })
  const ann = await somebody({ fetch: counting })
  const project = await ann.projects.create({ name: 'once' })
  assert.equal(count('POST /api/v1/app/projects'), 2)
  const { items } = await ann.projects.list()
  assert.deepEqual(items.map((one) => one.id), [project.id])
})
