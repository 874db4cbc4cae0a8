// How long each list of the console takes in Chromium, from the click to what was asked for being drawn: median and longest of several
// times, each coming from another page.
//
//	node bench/console.mjs URL EMAIL PASSWORD	of a server that bench/console has filled
import { createRequire } from 'node:module'

const { chromium } = createRequire(new URL('../t/clients/package.json', import.meta.url))('playwright-core')
const [url, email, password] = process.argv.slice(2)
const TIMES = Number(process.env.BENCH_TIMES ?? 15)
const LIMIT_MS = 300

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--ignore-certificate-errors'],
})
const page = await (await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' })).newPage()
await page.goto(url)
await page.getByLabel('Email').fill(email)
await page.getByLabel('Password').fill(password)
await page.getByRole('button', { name: 'Sign in' }).click()
await page.getByText('Sign out').waitFor()

// In the page, so that neither Playwright nor its connection is measured: until the heading is another one, nothing loads any more, and
// it is drawn.
const drawn = (href) => page.evaluate(async (to) => {
  const frame = () => new Promise((done) => requestAnimationFrame(done))
  const went = performance.now()
  history.pushState(null, '', to)
  dispatchEvent(new PopStateEvent('popstate'))
  await frame()
  while (!document.querySelector('main h1') || document.querySelector('[aria-busy=true]')) {
    if (performance.now() - went > 20_000) throw new Error(`${to} is not drawn after 20 s: ${document.querySelector('main').innerText}`)
    await frame()
  }
  await frame()
  const problem = document.querySelector('main .problem')
  if (problem) throw new Error(`${to}: ${problem.innerText}`)
  return performance.now() - went
}, href)

await drawn('/console')
const links = await page.locator('.menu-pages a').evaluateAll((all) => all.map((a) => [a.innerText, a.getAttribute('href')]))
const tables = []
for (const [name, href] of links) {
  await drawn(href)
  if (await page.locator('section.list tbody tr').count()) tables.push([name, href])
}
const more = [
  ['Users, a search', '/console/users?q=scale123'], ['Users, by address', '/console/users?sort=email'], ['Users, page 400', '/console/users?page=400'],
  ['Organizations, a search', '/console/organizations?q=organization%2077'], ['Organizations, page 400', '/console/organizations?page=400'],
  ['Projects, a search', '/console/projects?q=scale_99'], ['Projects, a search that finds nothing', '/console/projects?q=none%20of%20it'], ['Projects, page 400', '/console/projects?page=400'],
  ['Jobs, those that failed', '/console/jobs?state=failed'], ['Webhooks received, of a kind', '/console/webhook-events?type=customer.created'],
]
const detail = async (list, name) => {
  await drawn(list)
  const href = await page.locator('section.list tbody th a').first().getAttribute('href')
  return [name, href]
}
more.push(await detail('/console/users', 'A user'), await detail('/console/organizations', 'An organization, with its members'), await detail('/console/flags', 'A flag, with who gets it'))

let tooLong = 0
console.log('| list | median, ms | longest, ms |\n|---|---:|---:|')
for (const [name, href] of [...tables, ...more]) {
  const times = []
  for (let n = 0; n <= TIMES; n++) {
    await drawn('/console/account')
    const ms = await drawn(href)
    if (n) times.push(ms) // the first one warms what a server keeps
  }
  times.sort((a, b) => a - b)
  tooLong += times.at(-1) > LIMIT_MS
  console.log(`| ${name} | ${Math.round(times[times.length >> 1])} | ${Math.round(times.at(-1))} |`)
}
await browser.close()
process.exitCode = tooLong ? 1 : 0
