// Open pages of the API reference in Chromium, each in one of its own, and print what each took as one JSON object:
// milliseconds until its first operation is in view, those of the CPU that the process took which draws it, and half a second
// of quiet later its MiB.
//
//	node bench/viewers.mjs DOCS CONFIG < PAGES	DOCS is what "make docs" made, CONFIG nginx's snippet with its policy
//
// PAGES is [ { name, path, first } ], first being a CSS selector.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { existsSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'

const { chromium } = createRequire(new URL('../t/clients/package.json', import.meta.url))('playwright-core')
const [docs, config] = process.argv.slice(2)
const policy = readFileSync(config, 'utf8').match(/Content-Security-Policy "([^"]+)"/)[1]
const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml' }

// As nginx has them: the compressed file where there is one.
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  const file = [pathname, `${pathname}.html`, `${pathname}/index.html`].map((name) => docs + name).find((name) => extname(name) && existsSync(name))
  if (!file) return response.writeHead(404).end()
  const packed = existsSync(`${file}.gz`)
  response.writeHead(200, {
    'Content-Type': `${types[extname(file)]}; charset=utf-8`,
    'Content-Security-Policy': policy,
    ...(packed && { 'Content-Encoding': 'gzip' }),
  }).end(readFileSync(packed ? `${file}.gz` : file))
})
await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
const base = `http://127.0.0.1:${server.address().port}`

// The browser's renderers; the one that draws the page has the most of everything.
async function renderers(session) {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  return processInfo.filter(({ type }) => type === 'renderer')
}

// MiB that a process has to itself, with its part of what it shares.
const memory = ({ id }) => Number(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8').match(/^Pss: +(\d+)/m)[1]) / 1024

async function opened({ path, first }) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update'] })
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
    const failed = []
    page.on('pageerror', (error) => failed.push(String(error)))
    page.on('console', (line) => line.type() === 'error' && failed.push(line.text()))
    await page.goto('about:blank')
    const session = await browser.newBrowserCDPSession()
    const from = performance.now()
    await page.goto(base + path, { waitUntil: 'commit' })
    await page.locator(first).first().waitFor({ timeout: 120_000 })
    const ms = performance.now() - from
    const cpu = 1000 * Math.max(...(await renderers(session)).map(({ cpuTime }) => cpuTime))
    await page.waitForLoadState('networkidle')
    await page.evaluate(() => new Promise((done) => { requestIdleCallback(() => setTimeout(done, 500)) }))
    const elements = await page.evaluate(() => document.querySelectorAll('*').length)
    return { ms, cpu, mib: Math.max(...(await renderers(session)).map(memory)), elements, failed }
  } finally {
    await browser.close()
  }
}

const said = {}
for (const page of JSON.parse(readFileSync(0, 'utf8'))) said[page.name] = await opened(page)
server.close()
console.log(JSON.stringify(said))
