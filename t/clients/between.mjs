// A server between a browser and Ashlar's nginx, with the same certificate: what a SharedWorker asks for is seen by no hook of
// Playwright.  It notes every answer of the API (answers.mjs), and has faults that a test wants to see a page live with.
//
//	const { port, faults, asked, isHeld, release, close } = await between({ to: 'https://localhost:8443', cert, key })
//
//	faults	[{ method, path, status, body, headers, never, times, isHeld }]: the first that fits a request is answered in the place of
//		nginx; a path ends where the query begins; never: no answer at all; times: so often, then no more; isHeld: it waits
//	await isHeld()	one waits; await release(): those that wait are answered
//	asked	[{ method, path, status }] of the API
import { createServer } from 'node:https'
import { readFileSync } from 'node:fs'
import { noteBytes } from './answers.mjs'

// Of a connection, and not of what is on it; and what fetch() has undone.
const OWN = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-encoding', 'content-length', 'host'])
const without = (headers) => [...headers].filter(([name]) => !OWN.has(name.toLowerCase()))

async function bodyOf(request) {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

export async function between({ to, cert, key }) {
  const faults = []
  const asked = []
  const held = []
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, async (request, response) => {
    const { method, url } = request
    const [path] = url.split('?')
    const isApi = /^\/api\//.test(path)
    try {
      const body = await bodyOf(request)
      const fault = faults.find((one) => one.path === path && (one.method ?? method) === method && one.times !== 0)
      if (fault) {
        if (fault.times) fault.times--
        if (fault.isHeld) await new Promise((go) => held.push({ go, isOver: new Promise((over) => response.on('close', over)) }))
        asked.push({ method, path: url, status: fault.status ?? 0 })
        if (!fault.never) response.writeHead(fault.status, fault.headers ?? { 'Content-Type': 'application/json' }).end(typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body))
        return
      }
      const sent = without(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      const answer = await fetch(to + url, { method, headers: sent, body: ['GET', 'HEAD'].includes(method) ? undefined : body, redirect: 'manual' })
      const headers = Object.fromEntries(without(answer.headers))
      if (isApi) asked.push({ method, path: url, status: answer.status })
      response.writeHead(answer.status, headers)
      if (/event-stream/.test(headers['content-type'] ?? '')) {
        response.on('close', () => answer.body.cancel().catch(() => {}))
        for await (const part of answer.body) response.write(part)
        response.end()
        return
      }
      const bytes = Buffer.from(await answer.arrayBuffer())
      if (isApi) noteBytes(method, to + url, answer, bytes)
      response.end(bytes)
    } catch (error) {
      if (!response.headersSent) response.writeHead(502)
      response.end(String(error))
    }
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: server.address().port, faults, asked,
    isHeld: async () => { while (!held.length) await new Promise((go) => setTimeout(go, 20)) },
    release: () => Promise.all(held.splice(0).map(({ go, isOver }) => { go(); return isOver })),
    close: () => { server.closeAllConnections(); return new Promise((done) => server.close(done)) },
  }
}
