// A page in Chromium, of another origin than the API: what it gets to see of refusals.
//
//	node t/clients/cors_browser.mjs	the task is a line of JSON on stdin
//
//	page	where: http://localhost:…/…
//	api	https://localhost:…
//	calls	[{ name, path, method, headers, size, times }]: times at once, with a body of size bytes
//
// To stdout, a line of JSON for each call: { name, answers: [{ status, code, headers } or { error }] }.
import { chromium } from 'playwright-core'
import { noteAnswers, noted } from './answers.mjs'
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const task = JSON.parse((await lines.next()).value)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--ignore-certificate-errors', '--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE localhost',
  ],
})

try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  noteAnswers(context)
  const page = await context.newPage()
  await page.goto(task.page)
  for (const call of task.calls) {
    const answers = await page.evaluate(async ({ api, call }) => {
      const once = async () => {
        try {
          const body = call.size ? 'x'.repeat(call.size) : undefined
          const res = await fetch(api + call.path, { method: call.method, headers: call.headers, body })
          const json = await res.json().catch(() => null)
          return { status: res.status, code: json?.error?.code, headers: Object.fromEntries(res.headers) }
        } catch (error) {
          return { error: String(error) }
        }
      }
      return Promise.all(Array.from({ length: call.times ?? 1 }, once))
    }, { api: task.api, call })
    console.log(JSON.stringify({ name: call.name, answers }))
  }
  await noted()
} finally {
  await browser.close()
}
