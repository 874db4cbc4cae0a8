// A page in Chromium: the function that the guide shows, an EventSource, and a page that nobody knows.
//
//	node t/clients/realtime_browser.mjs	the task is a line of JSON on stdin
//
//	page	where: https://localhost:…/
//	guide	the guide's listen()
//	token, channel
//
// What it sees goes to stdout, a line of JSON for each event; it ends with stdin.
import { chromium } from 'playwright-core'
import { noteAnswers, noted } from './answers.mjs'
import { createInterface } from 'node:readline'

const tell = (what) => console.log(JSON.stringify(what))
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const task = JSON.parse((await lines.next()).value)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--ignore-certificate-errors', '--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE localhost',
  ],
})

// A page with tell() in it.
async function open(address) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  noteAnswers(context)
  const page = await context.newPage()
  await page.exposeFunction('tell', tell)
  page.on('pageerror', (error) => tell({ name: 'page', event: 'error', why: error.message }))
  await page.goto(address)
  return page
}

try {
  const ours = await open(task.page)
  await ours.evaluate(`(() => {
    ${task.guide}
    const { token, channel } = ${JSON.stringify(task)}
    const socket = listen(location.origin, () => token, [channel], (m) => tell({ name: 'socket', event: m.type, data: m.data, recovered: m.recovered }))
    window.say = (data) => socket.send(channel, data)
  })()`)
  await ours.evaluate(async ({ token, channel }) => {
    const answer = await fetch('/api/v1/app/ws/ticket', { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
    const { ticket } = await answer.json()
    const stream = new EventSource(`/api/v1/app/events?channel=${encodeURIComponent(channel)}&ticket=${ticket}`)
    stream.addEventListener('subscribed', () => tell({ name: 'stream', event: 'subscribed' }))
    stream.addEventListener('channel_message', (e) => tell({ name: 'stream', event: 'channel_message', data: JSON.parse(e.data).data }))
    window.stream = stream
  }, task)

  const strange = await open('about:blank')
  await strange.evaluate(({ page, token }) => {
    const socket = new WebSocket(`${page.replace(/^http/, 'ws')}api/v1/app/ws?token=${token}`)
    socket.onopen = () => tell({ name: 'strange', event: 'open' })
    socket.onclose = ({ code }) => tell({ name: 'strange', event: 'close', code })
  }, task)

  for await (const line of lines) await ours.evaluate((data) => window.say(data), JSON.parse(line))
  await noted()
} finally {
  await browser.close()
}
