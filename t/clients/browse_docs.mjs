// Open the pages that nginx serves in headless Chromium and print what was
// seen as one JSON object; docs.t judges it.
//
//	node t/clients/browse_docs.mjs BASE_URL PLAIN_URL	the token is in TOKEN, the paths of the pages to be judged in PAGES
//
// At PLAIN_URL /docs and /redoc are the reference of our own.
//
// A context of its own is a process, which costs more than a page: pages that are looked
// at in the same way share one, and follow each other in it.
import { chromium } from 'playwright-core'
import { noteAnswers, noted } from './answers.mjs'
import { findings, looks, printed } from './looks.mjs'

const [base, plain] = process.argv.slice(2)

// The machine's name service must not even be asked for another host.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost',
]

// A place to open pages in, one after the other.
async function place(browser, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options })
  noteAnswers(context)
  const page = await context.newPage()
  page.setDefaultTimeout(120_000) // Swagger UI draws every operation there is, on a machine that may be busy
  return page
}

// Open a page, and see what it does that nobody asked for.  What the one before it still does is told with it: its
// icon may come late.
async function open(page, path, at = base, until = 'networkidle') {
  const seen = { errors: [], outside: [] }
  page.removeAllListeners()
  page.on('console', (m) => m.type() === 'error' && seen.errors.push(`${m.text()} (${m.location().url})`))
  page.on('pageerror', (e) => seen.errors.push(String(e)))
  page.on('response', (r) => r.status() >= 400 && seen.errors.push(`${r.status()} ${r.url()}`))
  page.on('request', (r) => /^(data|blob):/.test(r.url()) || [base, plain].some((host) => r.url().startsWith(`${host}/`)) || seen.outside.push(r.url()))
  const answer = await page.goto(at + path, { waitUntil: until })
  seen.status = answer.status()
  seen.title = await page.title()
  return seen
}

async function textOf(page, path, at) {
  const seen = await open(page, path, at)
  seen.text = await page.innerText('body')
  // Wider than the window: readers would have to scroll sideways.
  seen.overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  // How much stands above the text; of a viewer nobody asks.
  seen.listed = await page.evaluate(() => document.querySelector('.guide')?.checkVisibility() ?? false)
  seen.above = await page.evaluate(() => (document.querySelector('h1')?.getBoundingClientRect().top ?? 0) + scrollY)
  return seen
}

// Send the request of the open operation, and read its status and body.
async function execute(page, operation) {
  const answered = page.waitForResponse((r) => r.url().includes('/api/v1/app/projects'))
  await operation.locator('button.execute').click()
  const status = String((await answered).status())
  const live = operation.locator('.live-responses-table')
  // An answer of before stays in view until this one is drawn.
  await live.locator('.response .response-col_status', { hasText: status }).waitFor()
  return {
    status: (await live.locator('.response .response-col_status').innerText()).trim(),
    body: await live.locator('.response .highlight-code').first().innerText(),
  }
}

// In both widths and both colours, one after the other: how much sticks out, and how light the page and its text are.
async function sized(page, drawn, code) {
  const address = page.url()
  const all = {}
  for (const [name, width, colorScheme] of [['phone', 390, 'dark'], ['desk', 1440, 'light']]) {
    await page.goto('about:blank') // a page of ReDoc is loaded anew by itself when the colours change
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme })
    await page.goto(address)
    await drawn()
    all[name] = await page.evaluate((text) => {
      const of = (selector, what) => getComputedStyle(document.querySelector(selector))[what].match(/\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)
      return { overflow: document.documentElement.scrollWidth - innerWidth, paper: of('body', 'backgroundColor'), ink: of(text, 'color') }
    }, code)
  }
  return all
}

const choose = (page, surface) => page.locator('.surfaces a', { hasText: surface }).click()
const loaded = (page, file) => page.evaluate((name) => performance.getEntriesByType('resource').filter((one) => one.name.endsWith(name)).length, file)

// What Swagger UI has drawn.
async function blocks(page) {
  await page.locator('.opblock').first().waitFor()
  return page.locator('.opblock').evaluateAll((all) =>
    all.map((b) => `${b.querySelector('.opblock-summary-method').textContent} ${b.querySelector('[data-path]').dataset.path}`))
}

async function swagger(browser) {
  const page = await place(browser, { viewport: { width: 1440, height: 900 } })
  const seen = await open(page, '/docs')
  await page.getByLabel('Filter the operations').waitFor()
  seen.unasked = await loaded(page, 'swagger-ui-bundle.js')
  await choose(page, 'Webhooks')
  seen.events = await blocks(page)
  await choose(page, 'App')
  seen.first = await blocks(page)
  seen.folded = await page.locator('.choice .group:not([open])').count()

  // What is given to the viewers of each group: its operations, and all that they refer to.
  seen.parts = await page.evaluate(async () => {
    const { operations } = await import('/operations.js')
    const { partOf } = await import('/viewers.js')
    const parts = []
    for (const [name, those] of Map.groupBy(await operations(), ({ surface, group }) => `${surface}/${group}`)) {
      const part = partOf(await (await fetch(`/openapi/${those[0].document}.json`)).json(), new Set(those.map(({ id }) => id)))
      const lost = []
      JSON.stringify(part, (key, value) => {
        if (key === '$ref' && !value.slice(2).split('/').reduce((at, step) => at?.[step], part)) lost.push(value)
        return value
      })
      const ids = [part.paths, part.webhooks].flatMap((items) => Object.values(items)).flatMap((item) => Object.values(item)).map(({ operationId }) => operationId)
      parts.push({ name, ids, lost })
    }
    return parts
  })

  // A row is shown in place, opened; so is another one, and what somebody has authorized stays.
  const filter = page.getByLabel('Filter the operations')
  await filter.fill('list_app_projects')
  await page.locator('.choice .group a').first().click()
  await page.waitForURL('**/docs?surface=app&group=projects&operation=list_app_projects')
  const operation = page.locator('.opblock.is-open', { has: page.locator('[data-path="/api/v1/app/projects"]') })
  await operation.waitFor()
  seen.group = await blocks(page)
  const errors = [...seen.errors]
  const anonymous = await execute(page, operation)
  await page.locator('button.authorize').first().click()
  const bearer = page.locator('.auth-container form').filter({ hasText: 'bearer (http' })
  await bearer.locator('input').fill(process.env.TOKEN)
  await bearer.locator('button[type=submit]').click()
  await page.locator('.auth-btn-wrapper button.btn-done').first().click()
  await filter.fill('get_app_me')
  await page.locator('.choice .group a').first().click()
  await page.locator('.opblock.is-open', { has: page.locator('[data-path="/api/v1/app/users/me"]') }).waitFor()
  await page.goBack()
  await operation.waitFor()
  const authorized = await execute(page, operation)

  // The policy itself: a script of the page asks another host.
  const outside = [...seen.outside]
  const refused = await page.evaluate(() => new Promise((done) => {
    addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective))
    fetch('https://example.com/').then(() => done('answered'), () => setTimeout(done, 500, 'no violation'))
  }))
  seen.looks = await sized(page, () => operation.waitFor(), '.opblock.is-open .opblock-summary-description')
  await noted()
  await page.context().close()
  return { ...seen, errors, outside, anonymous, authorized, refused }
}

// The operations that ReDoc has drawn.
async function drawn(page) {
  await page.locator('[data-section-id*="operation/"]').first().waitFor()
  return page.locator('[data-section-id*="operation/"]').evaluateAll((sections) =>
    [...new Set(sections.map((s) => s.dataset.sectionId.replace(/.*operation\//, '')))])
}

// It draws a group, or an operation that was chosen, or which an address of its own asks for.
async function redoc(browser) {
  const page = await place(browser, { viewport: { width: 1440, height: 900 } })
  const seen = await open(page, '/redoc')
  await page.getByLabel('Filter the operations').waitFor()
  seen.unasked = await loaded(page, 'redoc.standalone.js')
  await choose(page, 'App')
  await page.waitForURL('**/redoc?surface=app')
  seen.first = await drawn(page)
  await page.locator('.choice .group summary', { hasText: 'projects' }).click()
  await page.locator('.choice .group a', { hasText: 'Create a project' }).first().click()
  await page.waitForURL('**/redoc?surface=app&group=projects&operation=create_app_project')
  seen.chosen = await drawn(page)
  await page.goto(`${base}/redoc#tag/app-projects/operation/list_app_projects`)
  await page.reload()
  seen.addressed = await drawn(page)
  seen.looks = await sized(page, () => drawn(page), '.api-content h2')
  await page.context().close()
  return seen
}

// The pages of the platform surface: each shows a group of it at once, and offers no other surface.
async function own(browser) {
  const page = await place(browser, { viewport: { width: 1440, height: 900 } })
  const swagger = await open(page, '/api/docs')
  swagger.drawn = await blocks(page)
  swagger.asked = await loaded(page, '/api/v1/developer/openapi.json')
  await page.getByLabel('Filter the operations').fill('projects')
  await page.waitForFunction(() => document.querySelector('.filtered').textContent)
  swagger.others = await page.locator('.choice .group a[href*="surface=app"], .surfaces a').count()
  const redoc = await open(page, '/api/redoc')
  redoc.drawn = await drawn(page)
  await page.context().close()
  return { swagger, redoc }
}

// The list of pages on a phone: what the button opens, and Escape closes.
async function menu(page) {
  await open(page, '/concepts.html')
  const list = page.locator('.guide')
  await page.getByRole('button', { name: 'Menu' }).click()
  await list.waitFor()
  await page.keyboard.press('Tab')
  const seen = await list.evaluate((nav) => ({
    opened: +nav.matches(':popover-open'),
    focused: +nav.contains(document.activeElement),
    reference: +nav.querySelector('[href="/reference.html"]').checkVisibility(),
  }))
  const found = await findings(page)
  await page.keyboard.press('Escape')
  await list.waitFor({ state: 'hidden' })
  return { ...seen, left: 1, found }
}

// What scrolls sideways on a phone: is it a stop of the Tab key, and what does it say?
async function scrolling(page) {
  await open(page, '/first-hour.html')
  await page.locator('pre[role=region]').first().waitFor()
  const wide = () => page.evaluate(() => [...document.querySelectorAll('pre, .table')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => ({
    name: e.ariaLabel, role: e.getAttribute('role'), reached: e.tabIndex === 0,
  })))
  return wide()
}

// The reference of our own, in the width and the colours of a context: what the filter leaves, and what an address unfolds.
async function reference(browser, options) {
  const page = await place(browser, options)
  const seen = await open(page, '/reference.html')
  const overflows = []
  const measure = async () => overflows.push(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth))
  const field = page.getByLabel('Filter the operations')
  const rows = page.locator('.operations')
  const leaves = async (text) => {
    await field.fill('')
    await page.waitForFunction(() => !document.querySelector('.filtered').textContent)
    await field.fill(text)
    await page.waitForFunction(() => document.querySelector('.filtered').textContent)
    return {
      said: await page.locator('.filtered').textContent(),
      folded: await rows.locator('details:not([open])').count(),
      addresses: await rows.locator('a').evaluateAll((links) => links.map((a) => a.getAttribute('href'))),
    }
  }
  await measure()
  seen.all = await page.locator('#surfaces a[href^="/reference/"]').count()
  seen.byPath = await leaves('post /api/v1/app/projects')
  await measure()
  seen.bySummary = await leaves('list MY projects')
  seen.byId = await leaves('list_app_projects')
  seen.many = await leaves('/api/v1')
  await rows.locator('summary').first().click()
  await rows.locator('a').first().waitFor()
  seen.unfolded = await rows.locator('a').count()
  seen.nothing = await leaves('no such path')
  await page.keyboard.press('Escape')
  await page.locator('#surfaces').waitFor()
  await leaves('create_app_project')
  await page.keyboard.press('ArrowDown') // its group
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/reference/app/projects.html#*')
  await page.locator('.operation[open]').waitFor()
  seen.followed = new URL(page.url()).hash
  seen.open = await page.locator('.operation[open]').evaluateAll((those) => those.map((one) => one.id))
  seen.inView = await page.evaluate(() => document.querySelector(':target').getBoundingClientRect().top < innerHeight)
  await measure()
  await page.locator('.operation[open] h3 a[href^="#object-"]').click()
  await page.locator('.object:target[open]').waitFor()
  await page.getByRole('button', { name: 'Unfold all' }).click()
  seen.folded = await page.locator('.operation:not([open])').count()
  await measure()
  seen.found = await findings(page)
  // An address of the time when all of it was one page, and one of another version.
  await page.goto(`${base}/reference.html#get_app_project_v2`)
  await page.waitForURL('**/reference/app/projects.html#get_app_project_v2')
  await page.locator('[id="get_app_project_v2"][open]').waitFor()
  seen.within = await page.locator('.operation[open]').evaluateAll((those) => those.map((one) => one.id))
  seen.colours = await page.evaluate(() => {
    const of = (selector, what) => getComputedStyle(document.querySelector(selector))[what].match(/\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)
    return { paper: of('body', 'backgroundColor'), code: of('.operation pre', 'backgroundColor'), ink: of('.operation summary', 'color'), method: of('.verb', 'color') }
  })
  seen.overflow = Math.max(...overflows)
  await page.context().close()
  return seen
}

// A wide window, in which somebody copies, searches with the keys, and follows what was found.
async function guide(browser) {
  const page = await place(browser, { viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] })
  const seen = await open(page, '/first-hour.html')
  const field = page.getByLabel('Search the guide and the reference')
  const found = async (text) => {
    await field.fill(text)
    await page.waitForFunction(() => document.querySelector('.search .found').textContent)
    const addresses = await page.locator('.search li a').evaluateAll((links) => links.map((a) => a.getAttribute('href')))
    const said = await page.locator('.search .found').textContent()
    await page.keyboard.press('Escape')
    await page.waitForFunction(() => !document.querySelector('.search .found').textContent)
    return { addresses, said }
  }
  seen.beside = await page.evaluate(() => document.querySelector('.guide').getBoundingClientRect().right <= document.querySelector('main').getBoundingClientRect().left)
  seen.buttons = await page.locator('.copied:not(.script .copied) button').count()
  await page.locator('.copied:not(.script .copied)').nth(1).hover()
  await page.locator('.copied:not(.script .copied) button').nth(1).click()
  await page.locator('.copied button', { hasText: 'Copied' }).waitFor()
  seen.copied = await page.evaluate(() => navigator.clipboard.readText())
  seen.setting = await found('jwt_ttl')
  seen.operation = await found('task-queue heartbeat')
  seen.words = await found('INVIT organiz')
  seen.nothing = await found('lease zebra')
  await field.fill('organization')
  await page.locator('.search li a').first().waitFor()
  seen.found = await findings(page)
  await page.keyboard.press('Escape')
  await page.locator('h1').click()
  await page.keyboard.press('/')
  await page.keyboard.type('two ids of a user')
  await page.locator('.search li a').first().waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.pathname !== '/first-hour.html')
  seen.followed = new URL(page.url()).pathname + new URL(page.url()).hash
  await noted()
  await page.context().close()
  return seen
}

// Every page, one after the other in one window, which changes its width and scheme.
async function judged(browser, paths) {
  const page = await place(browser)
  const seen = {}
  for (const path of paths) {
    seen[path] = await open(page, path, base, 'load')
    await page.locator('h1:not(:empty)').waitFor()
    Object.assign(seen[path], await looks(page, path !== '/' && path !== '/invitation.html'))
    if (['/', '/first-hour.html', '/limits.html', '/webhooks-out.html'].includes(path)) seen[path].printed = await printed(page)
  }
  await noted()
  await page.context().close()
  return seen
}

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
const seen = { pages: {}, plain: {} }
try {
  const phone = await place(browser, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' })
  for (const name of ['', 'quick-start', 'first-hour', 'concepts', 'limits', 'authentication', 'passkeys', 'requests', 'errors', 'operations', 'architecture'])
    seen.pages[name || 'index'] = await textOf(phone, name ? `/${name}.html` : '/')
  seen.menu = await menu(phone)
  seen.scrolling = await scrolling(phone)
  seen.plain.redoc = await textOf(phone, '/redoc', plain)
  await phone.context().close()

  const noscript = await place(browser, { javaScriptEnabled: false })
  seen.noscript = await textOf(noscript, '/docs')
  seen.plain.docs = await textOf(noscript, '/docs', plain)
  seen.folded = await textOf(noscript, '/reference/app/projects.html', plain)
  await noscript.context().close()

  seen.judged = await judged(browser, process.env.PAGES.split(' '))
  seen.guide = await guide(browser)
  seen.reference = {
    phone: await reference(browser, { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }),
    desk: await reference(browser, { viewport: { width: 1440, height: 900 }, colorScheme: 'light' }),
  }
  seen.swagger = await swagger(browser)
  seen.redoc = await redoc(browser)
  seen.own = await own(browser)
} finally {
  await browser.close()
}
console.log(JSON.stringify(seen))
