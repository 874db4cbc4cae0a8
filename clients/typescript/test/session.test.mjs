// Sessions: refreshed once, by whoever needs it first, with tokens that rotate and such that do not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AshlarError, cookieStorage, createClient, memoryStorage } from 'ashlar'
import * as app from 'ashlar/app'
import { identity } from 'ashlar/platform'
import { act, asPage, counted, noted, password, server, somebody } from './harness.mjs'

const REFRESH = 'POST /api/v1/auth/refresh'
// The access token is spoilt: what is asked with it is refused, as when it had ended.
const spoil = async (storage) => storage.write({ ...(await storage.read()), access_token: `${(await storage.read()).access_token}x` })
// Its end is near, by the clock.
const age = async (storage) => storage.write({ ...(await storage.read()), renew_at: 0 })

for (const [kind, key] of [['rotating', server.key], ['standing', server.still]]) {
  test(`fifty calls at once are one refresh, of a ${kind} refresh token`, async () => {
    for (const spoiling of [age, spoil]) {
      const storage = memoryStorage(), counter = counted()
      const ann = await somebody({ key, storage, fetch: counter.fetch })
      const before = await storage.read()
      await spoiling(storage)
      const all = await Promise.all(Array.from({ length: 50 }, () => ann.projects.list()))
      assert.equal(all.length, 50)
      assert.equal(counter.count(REFRESH), 1)
      const after = await storage.read()
      assert.ok(after.renew_at > Date.now() && !after.access_token.endsWith('x')) // of the same second it is the same
      assert[kind === 'rotating' ? 'notEqual' : 'equal'](after.refresh_token, before.refresh_token)
      assert.equal((await ann.projects.list()).total, 0)
      assert.equal(counter.count(REFRESH), 1)
    }
  })
}

test('clients of one process that keep the session apart refresh it once, too', async () => {
  const one = memoryStorage(), counter = counted()
  const ann = await somebody({ storage: one, fetch: counter.fetch })
  const others = Array.from({ length: 5 }, () => memoryStorage())
  for (const storage of others) await storage.write(await one.read())
  for (const storage of [one, ...others]) await age(storage)
  const clients = others.map((storage) => createClient({ url: server.url, key: server.key, headers: asPage(), storage, fetch: counter.fetch }, app))
  await Promise.all([ann, ...clients].map((client) => client.projects.list()))
  assert.equal(counter.count(REFRESH), 1)
  const kept = await Promise.all([one, ...others].map(async (storage) => (await storage.read()).refresh_token))
  assert.equal(new Set(kept).size, 1)
  await Promise.all(clients.map((client) => client.projects.list()))
})

test('what another tab has renewed meanwhile is taken, also where its token is the same', async () => {
  const kept = memoryStorage(), counter = counted()
  await somebody({ storage: kept })
  const fresh = await kept.read()
  let reads = 0
  const storage = { read: () => (reads++ ? fresh : { ...fresh, renew_at: 0 }), write: () => assert.fail('nothing is to be kept') }
  const tab = createClient({ url: server.url, key: server.key, headers: asPage(), storage, fetch: counter.fetch }, app)
  await tab.projects.list()
  assert.equal(counter.count(REFRESH), 0)
})

test('an answer to a refresh that is lost signs nobody out', async () => {
  let lost = 0
  const storage = memoryStorage()
  const ann = await somebody({ storage, fetch: async (url, init) => {
    const response = await noted(url, init)
    if (url.endsWith('/auth/refresh') && !lost++) throw new TypeError('the answer is lost')
    return response
  } })
  await age(storage)
  assert.equal((await ann.projects.list()).total, 0)
  assert.equal(lost, 2)
})

test('a session that was ended is over, for all who listen', async () => {
  const storage = memoryStorage(), told = []
  const ann = await somebody({ storage }, { ...app, identity })
  const end = ann.session.onChange((is_signed_in) => told.push(is_signed_in))
  await act('end_sessions', ann.user.id)
  await assert.rejects(() => ann.projects.list(), (error) => error instanceof AshlarError && error.code === 'AUTHENTICATION_ERROR')
  assert.equal(await storage.read(), null)
  assert.deepEqual(told, [false])
  await ann.auth.signIn({ email: ann.email, password })
  assert.deepEqual(told, [false, true])
  end()
  await ann.auth.signOut()
  assert.deepEqual(told, [false, true])
  assert.equal(await storage.read(), null)
})

test('what is no answer, or says something else, leaves the session as it is, and a token that is good in use', async () => {
  const refused = (status, code) => () => new Response(JSON.stringify({ error: { code, message: code, details: {} } }), { status, headers: { 'Content-Type': 'application/json' } })
  const answers = [
    () => Promise.reject(new TypeError('offline')), refused(500, 'INTERNAL_ERROR'), refused(503, 'SERVICE_UNAVAILABLE'), refused(429, 'RATE_LIMIT_EXCEEDED'),
    refused(401, 'INVALID_API_KEY'), refused(403, 'ORIGIN_NOT_ALLOWED'),
  ]
  for (const each of answers) {
    const storage = memoryStorage()
    let answer = each, asked = 0
    const ann = await somebody({ storage, retries: 0, fetch: (url, init) => (answer && url.endsWith('/auth/refresh') ? (asked++, answer()) : noted(url, init)) })
    await age(storage)
    assert.equal((await ann.projects.list()).total, 0)
    assert.equal((await ann.projects.list()).total, 0)
    assert.equal(asked, 1, 'it is left alone for a while')
    await spoil(storage)
    const { refresh_token } = await storage.read()
    await assert.rejects(() => ann.projects.list(), AshlarError)
    assert.equal((await storage.read())?.refresh_token, refresh_token)
    answer = undefined
    assert.equal((await ann.projects.list()).total, 0)
  }
})

test('who signs out, or in as somebody else, while a token is renewed, stays so', async () => {
  const other = memoryStorage()
  await somebody({ storage: other })
  for (const next of [null, await other.read()]) {
    const storage = memoryStorage()
    let asked, answer
    const is_asked = new Promise((done) => (asked = done)), may_answer = new Promise((done) => (answer = done))
    const ann = await somebody({ storage, fetch: async (url, init) => {
      const response = await noted(url, init)
      if (url.endsWith('/auth/refresh')) await (asked(), may_answer)
      return response
    } })
    await age(storage)
    const late = ann.projects.list().then(() => 200, (error) => error.status)
    await is_asked
    await storage.write(next)
    answer()
    assert.equal(await late, next ? 200 : 401)
    assert.equal((await storage.read())?.refresh_token, next?.refresh_token)
  }
})

test('signing out ends the session at the server also where the token has ended', async () => {
  const storage = memoryStorage()
  const ann = await somebody({ key: server.still, storage })
  const { refresh_token } = await storage.read()
  await spoil(storage)
  await age(storage)
  await ann.auth.signOut()
  assert.equal(await storage.read(), null)
  await assert.rejects(() => ann.auth.refresh(refresh_token), (error) => error.status === 401)
})

test('a key that is refused is no reason to refresh', async () => {
  const counter = counted()
  const ann = await somebody({ fetch: counter.fetch }, { identity })
  await assert.rejects(() => ann.identity.getMe({}, { headers: { 'X-API-Key': 'pk_live_unknown' } }), (error) => error.code === 'INVALID_API_KEY')
  assert.equal(counter.count(REFRESH), 0)
})

test('signing out ends the session at the server, too', async () => {
  const storage = memoryStorage()
  const ann = await somebody({ storage })
  const { access_token } = await storage.read()
  await ann.auth.signOut()
  const stale = createClient({ url: server.url, key: server.key, headers: asPage(), token: access_token }, app)
  await assert.rejects(() => stale.projects.list(), (error) => error.status === 401)
  await ann.auth.signOut()
})

test('refusals of signing in and up', async () => {
  const ann = await somebody()
  await assert.rejects(() => ann.auth.signIn({ email: ann.email, password: 'wrong' }), (error) => error.code === 'INVALID_CREDENTIALS' && error.status === 401)
  assert.equal((await ann.projects.list()).total, 0, 'the session goes on')
  await assert.rejects(() => ann.auth.signUp({ email: ann.email, password }), (error) => error.code === 'CONFLICT')
  await assert.rejects(() => ann.auth.signUp({ email: 'x', password }), (error) => error.field === 'email')
})

test('a second factor', async () => {
  const ann = await somebody({}, { identity })
  const { secret } = await ann.identity.enrolTotp()
  const { recovery_codes } = await ann.identity.activateTotp({ code: await act('totp', secret) })
  await ann.auth.signOut()
  const asked = await ann.auth.signIn({ email: ann.email, password })
  assert.equal(asked.mfa_required, true)
  assert.equal(await ann.session.tokens(), null)
  await assert.rejects(() => ann.auth.verify({ mfa_token: asked.mfa_token, code: '000000' }), (error) => error.code === 'INVALID_CODE')
  await ann.auth.verify({ mfa_token: asked.mfa_token, code: recovery_codes[0] })
  assert.equal((await ann.identity.getMfa()).recovery_codes_left, 9)
})

test('a page that Google sent back', async () => {
  const ann = await somebody()
  const { access_token, refresh_token } = await ann.session.tokens()
  const page = createClient({ url: server.url, key: server.key, headers: asPage(), storage: memoryStorage() }, app)
  assert.equal(await page.auth.adopt(new URL('https://app.example.com/signed-in')), false)
  assert.equal(await page.auth.adopt(new URL(`https://app.example.com/signed-in#${new URLSearchParams({ access_token, refresh_token, expires_in: '3600' })}`)), true)
  assert.equal((await page.projects.list()).total, 0)
  await assert.rejects(() => page.auth.adopt(new URL('https://app.example.com/signed-in?error=oauth_failed&error_description=cancelled')), /cancelled/)
})

test('on a server a session is in a cookie of each request', async () => {
  const jar = new Map(), set = []
  const cookies = () => ({ get: (name) => jar.get(name), set: (name, value, options) => (set.push(options), jar.set(name, value)) })
  const ann = await somebody({ storage: cookieStorage(cookies()) })
  assert.deepEqual(set[0], { httpOnly: true, secure: true, sameSite: 'lax', path: '/', maxAge: 30 * 86400 })
  assert.ok(jar.get('ashlar_session').length < 4096)
  // The next request, whose token is near its end, by a framework whose request cookies do not change.
  const frozen = new Map(jar)
  const aged = JSON.parse(decodeURIComponent(frozen.get('ashlar_session')))
  frozen.set('ashlar_session', encodeURIComponent(JSON.stringify({ ...aged, renew_at: 0 })))
  const storage = cookieStorage({ get: (name) => frozen.get(name), set: (name, value) => jar.set(name, value) })
  const counter = counted()
  const next = createClient({ url: server.url, key: server.key, headers: asPage(), storage, fetch: counter.fetch }, app)
  await next.projects.list()
  await next.projects.list()
  assert.equal(counter.count(REFRESH), 1)
  assert.notEqual(JSON.parse(decodeURIComponent(jar.get('ashlar_session'))).refresh_token, aged.refresh_token)
  await next.auth.signOut()
  assert.equal(jar.get('ashlar_session'), '')
  assert.equal(createClient({ url: server.url, storage: cookieStorage(cookies()) }) && (await cookieStorage(cookies()).read()), null)
})

test('the team of a dashboard signs in at its own door', async () => {
  const storage = memoryStorage(), counter = counted()
  const team = createClient({ url: server.url, team: true, storage, fetch: counter.fetch }, { identity })
  const slug = `t${crypto.randomUUID().slice(0, 8)}`
  await team.identity.registerTenant({ email: `${slug}@example.com`, password, tenant_name: slug, tenant_slug: slug, display_name: 'Olive' })
  await act('verify_team', `${slug}@example.com`)
  await team.auth.signIn({ email: `${slug}@example.com`, password })
  await age(storage)
  assert.equal((await team.identity.getTeamMe()).user.email, `${slug}@example.com`)
  assert.equal(counter.count('POST /api/v1/tenant-auth/refresh'), 1)
  await team.auth.signOut()
})
