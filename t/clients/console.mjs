// The console in headless Chromium: one browser, as one person has it; console.t gives the tasks and judges.
//
//	node t/clients/console.mjs SETTING	{ to, cert, key, shots, patience }: nginx's address, its certificate, where pictures go, and how many ms a step may take
//
// Each line of stdin is { tab, steps }, of a line of stdout is { values, errors, asked }: what the steps gave, by their names, what
// went wrong meanwhile (a policy that was violated, a request to elsewhere, an exception), and what was asked of the API.
// A tab is a page of the browser, made when first named; all tabs are of one context, and share the session.
//
// A step is one of
//
//	{ open: path } { reload: true } { close: true }		and waits until the page has its heading
//	{ click: name, role? } { fill: { label: text } } { choose: { label: value } } { check: { label: bool } } { press: key }
//	{ wait: text } { gone: text } { dialog: title } { at: path } { settle: true } { focus: name or text }
//	{ faults: [ … ] } { isHeld: true } { release: true }	see between.mjs
//	{ see: name, text | count | url | title | focus | attribute … }	values[name]
//	{ look: name }					values[name] = { found, overflow }: axe-core and widths, and a picture of each
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { between } from './between.mjs'
import { findings } from './looks.mjs'

const { to, cert, key, shots, patience } = JSON.parse(process.argv[2])
const server = await between({ to, cert, key })
const base = `https://localhost:${server.port}`
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--ignore-certificate-errors', '--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE localhost',
  ],
})

let context
let errors = []
const tabs = new Map()

async function person() {
  await context?.close()
  tabs.clear()
  context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' })
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
}

async function tabOf(name) {
  if (!tabs.has(name)) {
    const page = await context.newPage()
    page.setDefaultTimeout(patience)
    page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !/the server responded with a status of/.test(m.text()) && errors.push(m.text()))
    page.on('pageerror', (e) => errors.push(String(e)))
    page.on('request', (r) => r.url().startsWith(`${base}/`) || errors.push(`asked for ${r.url()}`))
    tabs.set(name, page)
  }
  return tabs.get(name)
}

// Nothing is being loaded any more.
const settled = (page) => page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('[aria-busy=true]'))
// Of what is drawn twice, as in a dialog above a page, what can be reached is meant.
const within = async (page) => ((await page.locator('dialog[open]').count()) ? page.locator('dialog[open]').last() : page.locator('body'))

async function look(page, name) {
  const found = []
  const overflow = {}
  for (const [width, colorScheme] of [[1280, 'light'], [360, 'dark'], [360, 'light'], [1280, 'dark']]) {
    await page.setViewportSize({ width, height: width < 500 ? 780 : 900 })
    await page.emulateMedia({ colorScheme })
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    const rules = (width === 1280) === (colorScheme === 'light') ? undefined : ['color-contrast']
    for (const one of await findings(page, rules)) found.push(`${width} px, ${colorScheme}: ${one}`)
    overflow[width] = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (!rules) await page.screenshot({ path: `${shots}/${name}-${width}.png`, fullPage: true })
  }
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.emulateMedia({ colorScheme: null })
  return { found, overflow }
}

async function step(page, one, values) {
  const part = await within(page)
  if ('open' in one) {
    await page.goto(base + one.open)
    await settled(page)
  } else if (one.reload) {
    await page.reload()
    await settled(page)
  } else if (one.faults) {
    server.faults.splice(0, Infinity, ...one.faults)
  } else if (one.isHeld) {
    await server.isHeld()
  } else if (one.release) {
    await server.release()
  } else if (one.click) {
    const row = one.in ? part.locator('tr, li, section, fieldset').filter({ hasText: one.in }).last() : part
    await row.getByRole(one.role ?? 'button', { name: one.click, exact: true }).first().click()
  } else if (one.fill) {
    for (const [label, text] of Object.entries(one.fill)) await part.getByLabel(label).first().fill(text)
  } else if (one.choose) {
    for (const [label, value] of Object.entries(one.choose)) await part.getByLabel(label).first().selectOption(value)
  } else if (one.check) {
    for (const [label, on] of Object.entries(one.check)) await part.getByLabel(label).first().setChecked(on)
  } else if (one.press) {
    await page.keyboard.press(one.press)
  } else if (one.wait) {
    await page.getByText(one.wait).first().waitFor()
  } else if (one.gone) {
    await page.getByText(one.gone).first().waitFor({ state: 'detached' })
  } else if (one.at) {
    await page.waitForFunction((path) => location.pathname + location.search === path, one.at)
    await settled(page)
  } else if (one.dialog) {
    await page.locator('dialog[open] h2').filter({ hasText: one.dialog }).waitFor()
  } else if (one.focus) {
    await page.waitForFunction((what) => document.activeElement.name === what || document.activeElement.innerText === what, one.focus)
  } else if (one.settle) {
    await settled(page)
  } else if (one.look) {
    values[one.look] = await look(page, one.look)
  } else if (one.see) {
    values[one.see] = one.of ? await page.locator(one.of).evaluateAll((all, what) => all.map((e) => (what ? e.getAttribute(what) : e.innerText)), one.attribute)
      : await page.evaluate(one.js)
  } else if (one.close) {
    await page.close()
  } else throw new Error(`what is ${JSON.stringify(one)}?`)
}

try {
  await person()
  for await (const line of createInterface({ input: process.stdin })) {
    const { tab, steps, isNew } = JSON.parse(line)
    errors = []
    server.asked.length = 0
    const values = {}
    if (isNew) await person()
    const page = await tabOf(tab)
    for (const one of steps) {
      try {
        await step(page, one, values)
      } catch (error) {
        errors.push(`${JSON.stringify(one)}: ${error.message.split('\n')[0]}; the page has: ${(await page.innerText('body').catch(() => '')).slice(0, 1500)}`)
        break
      }
    }
    if (page.isClosed()) tabs.delete(tab)
    console.log(JSON.stringify({ values, errors, asked: server.asked }))
  }
} finally {
  await browser.close()
  await server.close()
}
