// Chromium: tabs that share a session, passkeys, realtime, workers, and the app in clients/example.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'
import { noteAnswers, noted } from './answers.mjs'
import { act, address, eventually, password, server } from './harness.mjs'

let browser
before(async () => {
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      `--ignore-certificate-errors-spki-list=${server.spki}`, '--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE localhost',
    ],
  })
})
after(async () => browser?.close())

// A page of our own origin, where no key is needed, with the bundle that /sdk/ serves.
async function open(context, more = '') {
  const page = await context.newPage()
  const problems = []
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(`${server.url}/`)
  await page.evaluate(async (options) => {
    const sdk = await import('/sdk/ashlar.js')
    Object.assign(window, sdk, { ashlar: sdk.createClient(JSON.parse(options || '{}'), { ...sdk.app, identity: sdk.platform.identity }) })
  }, more)
  return Object.assign(page, { problems })
}

test('two tabs at once refresh once, and each hears of the other', { timeout: 120_000 }, async () => {
  const context = await browser.newContext()
  noteAnswers(context)
  let refreshes = 0
  context.on('request', (request) => request.url().endsWith('/auth/refresh') && refreshes++)
  const [one, two] = [await open(context), await open(context)]
  await two.evaluate(() => { window.told = []; ashlar.session.onChange((is) => told.push(is)) })
  await one.evaluate((who) => ashlar.auth.signUp(who), { email: address(), password })
  await two.waitForFunction(() => told.includes(true))
  for (const how of ['spoilt', 'aged']) {
    refreshes = 0
    await one.evaluate((kind) => {
      const tokens = JSON.parse(localStorage.getItem('ashlar.session'))
      localStorage.setItem('ashlar.session', JSON.stringify(kind === 'aged' ? { ...tokens, renew_at: 0 } : { ...tokens, access_token: `${tokens.access_token}x` }))
    }, how)
    const counts = await Promise.all([one, two].map((page) => page.evaluate(async () => (await Promise.all(Array.from({ length: 25 }, () => ashlar.projects.list()))).length)))
    assert.deepEqual(counts, [25, 25])
    assert.equal(refreshes, 1, how)
  }
  await one.evaluate(() => ashlar.auth.signOut())
  await two.waitForFunction(() => told.at(-1) === false)
  await assert.rejects(() => two.evaluate(() => ashlar.projects.list().then()), /valid bearer token/)
  assert.deepEqual([...one.problems, ...two.problems], [])
  await noted()
  await context.close()
})

test('a passkey is added, and signs in', { timeout: 120_000 }, async () => {
  const context = await browser.newContext()
  noteAnswers(context)
  const page = await open(context)
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } })
  const seen = await page.evaluate(async (who) => {
    const { user } = await ashlar.auth.signUp(who)
    const added = await addPasskey(ashlar, { name: 'Chromium' })
    await ashlar.auth.signOut()
    const answer = await signInWithPasskey(ashlar)
    const passkeys = []
    for await (const passkey of ashlar.identity.listPasskeys()) passkeys.push(passkey.name)
    await ashlar.auth.signOut()
    const byAddress = await signInWithPasskey(ashlar, { email: who.email })
    return { added: added.name, same: [answer, byAddress].every((each) => each.user.id === user.id), passkeys }
  }, { email: address(), password })
  assert.deepEqual(seen, { added: 'Chromium', same: true, passkeys: ['Chromium'] })
  await noted()
  await context.close()
})

test('realtime comes back with the network', { timeout: 120_000 }, async () => {
  const context = await browser.newContext()
  const page = await open(context)
  const { user, id } = await page.evaluate(async (who) => {
    const { user } = await ashlar.auth.signUp(who)
    const { id } = await ashlar.projects.create({ name: 'live' })
    window.heard = []
    window.rt = new Realtime(ashlar)
    rt.subscribe(`project:${id}`, { on_message: (message) => heard.push(message.data?.n ?? message.n), on_missed: () => heard.push('missed') })
    return { user: user.id, id }
  }, { email: address(), password })
  await eventually('it listens', async () => (await act('publish', user, `project:${id}`, 1), page.evaluate(() => heard.length > 0)))
  await context.setOffline(true)
  await act('publish', user, `project:${id}`, 2)
  await context.setOffline(false)
  await page.waitForFunction(() => heard.includes(2))
  assert.equal(await page.evaluate(() => heard.includes('missed')), false)
  await context.close()
})

test('in a worker of a page', { timeout: 120_000 }, async () => {
  const context = await browser.newContext()
  const source = `import { createClient, app } from '/sdk/ashlar.js'
    onmessage = async ({ data }) => {
      const ashlar = createClient({}, app)
      await ashlar.auth.signUp(data)
      await ashlar.projects.create({ name: 'from a worker' })
      postMessage((await ashlar.projects.list()).items[0].name)
    }`
  await context.route('**/worker.js', (route) => route.fulfill({ contentType: 'text/javascript', body: source }))
  const page = await open(context)
  const said = await page.evaluate((who) => new Promise((done, failed) => {
    const worker = new Worker('/worker.js', { type: 'module' })
    worker.onmessage = ({ data }) => done(data)
    worker.onerror = (event) => failed(new Error(event.message || 'the worker did not start'))
    worker.postMessage(who)
  }), { email: address(), password })
  assert.equal(said, 'from a worker')
  await context.close()
})

// What serves the app: another origin than the API's, as a product's is.
async function serve(port) {
  const types = { html: 'text/html', css: 'text/css', js: 'text/javascript' }
  const http = createServer((request, response) => {
    const name = new URL(request.url, 'http://x').pathname.slice(1) || 'index.html'
    if (!existsSync(`${server.example}/${name}`)) return response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': types[name.split('.').pop()] ?? 'text/plain' }).end(readFileSync(`${server.example}/${name}`))
  })
  await new Promise((done) => http.listen(port, '127.0.0.1', done))
  return http
}

test('the to-do app: two windows at once, through a restart of the server', { timeout: 120_000 }, async () => {
  const http = await serve(server.app_port)
  // Not noted: what the browser's cache answers, after a 304, has not the headers that the server gave.
  const context = await browser.newContext({ colorScheme: 'dark' })
  const problems = []
  const windows = []
  for (let n = 0; n < 2; n++) {
    const page = await context.newPage()
    page.on('pageerror', (error) => problems.push(error.message))
    await page.goto(`http://localhost:${server.app_port}/?${new URLSearchParams({ url: server.url, key: server.app_key })}`)
    windows.push(page)
  }
  const [one, two] = windows
  const email = address()
  await one.locator('[name=email]').fill(email)
  await one.locator('[name=password]').fill(password)
  await one.locator('button', { hasText: 'Sign up' }).click()
  for (const page of windows) await page.locator('#status[data-is=online]').waitFor()
  assert.equal(await two.locator('#who').innerText(), email, 'the other window is signed in, too')

  const add = async (page, name) => {
    await page.locator('#add [name=name]').fill(name)
    await page.locator('#add button').click()
  }
  const names = (page) => page.locator('#list li:not(.is-waiting) span').allInnerTexts()
  await add(one, 'Buy milk')
  await two.locator('li', { hasText: 'Buy milk' }).waitFor()
  await two.locator('li', { hasText: 'Buy milk' }).locator('input').check()
  await one.locator('li.is-done', { hasText: 'Buy milk' }).waitFor()

  // The api and the realtime server go away; a to-do is added meanwhile.
  await act('stop_server')
  for (const page of windows) await page.locator('#status:not([data-is=online])').waitFor()
  await add(one, 'Mow the lawn')
  await one.locator('li.is-waiting', { hasText: 'Mow the lawn' }).waitFor()
  await act('start_server')
  for (const page of windows) {
    await page.locator('#status[data-is=online]').waitFor({ timeout: 60_000 })
    await page.locator('li:not(.is-waiting)', { hasText: 'Mow the lawn' }).waitFor({ timeout: 60_000 })
    assert.deepEqual(await names(page), ['Mow the lawn', 'Buy milk'], 'once')
    assert.equal(await page.locator('#problem').isHidden(), true)
  }
  await two.locator('button[aria-label="Remove Buy milk"]').click()
  await eventually('it is gone everywhere', async () => (await names(one)).join() === 'Mow the lawn')
  await two.locator('#out').click()
  await one.locator('#sign').waitFor()
  await one.locator('[name=password]').fill('wrong-Password-1')
  await one.locator('[name=email]').fill(email)
  await one.locator('button', { hasText: 'Sign in' }).click()
  await one.locator('#problem', { hasText: 'Invalid email or password' }).waitFor()
  assert.deepEqual(problems, [])
  await context.close()
  http.close()
})
