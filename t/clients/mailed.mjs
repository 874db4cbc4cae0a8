// The pages that mailed links open, as people go through them: headless Chromium.
//
//	node t/clients/mailed.mjs TASK	a task is JSON
//
//	listen	where port 443 of the hosts in "hosts" is, on this machine
//	spki	of the server's certificate, which Chromium is to trust
//
// Each line of stdin is a list of visits, [{ url, locale, steps }]: each with cookies and
// storage of its own, in one browser; a step is { fill: { name: text }, click: "what the button says" }, and
// waits for what comes of it.
//
// What was seen is a line of stdout: for each visit { errors, outside, pages }, of which
// pages are what the page showed when it was open and after each step.
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { noteAnswers, noted } from './answers.mjs'

const task = JSON.parse(process.argv[2])

// What a reader sees.
const look = (page) => page.evaluate(() => {
  const whose = document.querySelector('.whose')
  const button = document.querySelector('button')
  return {
    url: location.href,
    language: document.documentElement.lang,
    title: document.title,
    heading: document.querySelector('h1').textContent,
    text: document.querySelector('.what').innerText,
    markup: document.querySelectorAll('.what b, .what a, .what script').length,
    said: document.querySelector('[role=status]').textContent,
    brand: whose.innerText,
    logo: whose.querySelector('img')?.naturalWidth > 0 ? whose.querySelector('img').src : null,
    color: button && getComputedStyle(button).backgroundColor,
    on_color: button && getComputedStyle(button).color,
    inputs: [...document.querySelectorAll('input')].map((i) => i.name),
    buttons: [...document.querySelectorAll('button')].map((b) => b.textContent),
  }
})

// A reader's page, by their language: with nothing kept, in cookies, storage or cache, of who was there before.
// A context of its own for each visit would be a process of its own, and ten times the work of the visit.
const places = new Map()
async function place(browser, locale) {
  if (!places.has(locale)) {
    const context = await browser.newContext({ locale })
    noteAnswers(context)
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    const cdp = await context.newCDPSession(page)
    await cdp.send('Network.enable')
    await cdp.send('Network.setCacheDisabled', { cacheDisabled: true })
    places.set(locale, { page, cdp })
  }
  const { page, cdp } = places.get(locale)
  const { origin, protocol } = new URL(page.url())
  await page.goto('about:blank')
  page.removeAllListeners()
  await page.context().clearCookies()
  if (protocol === 'https:') await cdp.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' })
  return page
}

async function visit(browser, { url, locale, logo, steps }) {
  const page = await place(browser, locale)
  const seen = { errors: [], outside: [], pages: [] }
  page.on('console', (m) => m.type() === 'error' && !/status of 4\d\d/.test(m.text()) && seen.errors.push(m.text()))
  page.on('pageerror', (e) => seen.errors.push(String(e)))
  page.on('request', (r) => new URL(r.url()).host === new URL(url).host || seen.outside.push([r.url(), r.headers().referer ?? '']))
  await page.goto(url)
  await page.waitForSelector('body.open')
  if (logo)
    await page.waitForSelector('.whose img')
  seen.pages.push(await look(page))
  for (const step of steps ?? []) {
    for (const [name, text] of Object.entries(step.fill ?? {}))
      await page.fill(`[name=${name}]`, text)
    // Something is said, or there is another form.
    await page.evaluate(() => { window.before = document.querySelector('form') })
    await page.click(`text="${step.click}"`)
    await page.waitForFunction(() => document.querySelector('[role=status]').textContent || document.querySelector('form') !== window.before)
    await page.waitForFunction(() => !document.querySelector('button:disabled'))
    seen.pages.push(await look(page))
  }
  await noted()
  return seen
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', `--ignore-certificate-errors-spki-list=${task.spki}`,
    `--host-resolver-rules=${task.hosts.map((h) => `MAP ${h}:443 ${task.listen},`).join('')}MAP * ~NOTFOUND,EXCLUDE localhost`,
  ],
})
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const all = []
    for (const one of JSON.parse(line)) all.push(await visit(browser, one))
    console.log(JSON.stringify(all))
  }
} finally {
  await browser.close()
}
