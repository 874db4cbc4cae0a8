// Uploads: with progress, going on where they broke off, and again after the page was left.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createClient, memoryStorage, upload } from 'ashlar'
import { files } from 'ashlar/app'
import { act, noted, somebody } from './harness.mjs'

const MiB = 1 << 20
// Bytes that are nowhere alike.
function content(size) {
  const words = new Uint32Array(size / 4)
  for (let n = 0; n < words.length; n++) words[n] = Math.imul(n + 1, 2654435761)
  return words
}
async function sha256(bytes) {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex')
}
async function downloaded(ann, file_id) {
  const { download_url } = await ann.files.getDownloadUrl({ file_id })
  return new Uint8Array(await (await fetch(download_url)).arrayBuffer())
}
function memory() {
  const kept = new Map()
  return { kept, getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) }
}

test('a file goes up in pieces, and says how far it is', async () => {
  const ann = await somebody({}, { files })
  const bytes = content(3 * MiB)
  const seen = []
  const { file_id } = await upload(ann, new File([bytes], 'säfe.bin'), { piece: MiB, on_progress: (sent, total) => seen.push([sent / MiB, total / MiB]) })
  assert.deepEqual(seen, [[0, 3], [1, 3], [2, 3], [3, 3]])
  const { items } = await ann.files.list()
  assert.deepEqual([items[0].id, items[0].filename, items[0].size], [file_id, 'säfe.bin', 3 * MiB])
  assert.equal(await sha256(await downloaded(ann, file_id)), await sha256(bytes))
})

test('what breaks off goes on: answers that are lost, and processes that are killed', async () => {
  let patches = 0
  const ann = await somebody({ fetch: async (url, init) => {
    if (init.method !== 'PATCH') return noted(url, init)
    patches++
    if (patches === 2) await act('kill', 'slow')
    const response = await fetch(url, init)
    if (patches === 4) throw new TypeError('the answer is lost')
    return response
  } }, { files })
  const bytes = content(5 * MiB)
  const { file_id } = await upload(ann, new Blob([bytes]), { piece: MiB })
  assert.ok(patches >= 5)
  assert.equal(await sha256(await downloaded(ann, file_id)), await sha256(bytes))
})

test('a server that has too much to do, and a token that ends, do not end it', async () => {
  let busy = 2, unsigned = 1
  const refused = (status, code, headers = {}) => new Response(JSON.stringify({ error: { code, message: code, details: {} } }), { status, headers: { 'Content-Type': 'application/json', ...headers } })
  const ann = await somebody({ fetch: (url, init) => {
    if (init.method === 'PATCH' && busy-- > 0) return Promise.resolve(refused(429, 'RATE_LIMIT_EXCEEDED', { 'Retry-After': '0' }))
    if (url.endsWith('/files/tus') && unsigned-- > 0) return Promise.resolve(refused(401, 'AUTHENTICATION_ERROR'))
    return noted(url, init)
  } }, { files })
  const bytes = content(2 * MiB)
  const { file_id } = await upload(ann, new Blob([bytes]), { piece: MiB })
  assert.ok(busy < 0 && unsigned < 0)
  assert.equal(await sha256(await downloaded(ann, file_id)), await sha256(bytes))
})

test('a page that was left goes on with it', async () => {
  const ann = await somebody({}, { files })
  const bytes = content(4 * MiB), store = memory()
  const file = () => new File([bytes], 'big.bin', { lastModified: 1 })
  const leave = new AbortController()
  const left = upload(ann, file(), { piece: MiB, memory: store, signal: leave.signal, on_progress: (sent) => sent === 2 * MiB && leave.abort(new Error('left')) })
  await assert.rejects(() => left, /left/)
  assert.equal(store.kept.size, 1)
  const seen = []
  const { file_id } = await upload(ann, file(), { piece: MiB, memory: store, on_progress: (sent) => seen.push(sent / MiB) })
  assert.ok(seen[0] >= 2, `it begins at ${seen[0]} MiB`)
  assert.equal(seen.at(-1), 4)
  assert.equal(store.kept.size, 0)
  assert.equal(await sha256(await downloaded(ann, file_id)), await sha256(bytes))
})

test('an upload that was remembered, but has ended, begins anew', async () => {
  const ann = await somebody({}, { files })
  const store = memory(), file = new File([content(MiB)], 'one.bin', { lastModified: 1 })
  store.setItem(`ashlar.upload one.bin application/octet-stream ${MiB} 1`, `${ann.url}/uploads/01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f?token=AAAA`)
  const { file_id } = await upload(ann, file, { memory: store })
  assert.equal((await downloaded(ann, file_id)).length, MiB)
})

test('what is not what it says is refused, and counts nothing', async () => {
  const ann = await somebody({}, { files })
  await assert.rejects(() => upload(ann, new Blob([content(MiB)]), { name: 'x.bin', sha256: '0'.repeat(64) }), (error) => error.status === 422)
  assert.equal((await ann.files.list()).total, 0)
})

test('to a bucket, whole or in parts, each again where it fails', async () => {
  let failures = 1, late = 1
  const asked_from = []
  const parts = new Map()
  const http = createServer((request, response) => {
    const body = []
    request.on('data', (piece) => body.push(piece)).on('end', () => {
      const url = `http://127.0.0.1:${http.address().port}`
      const json = (status, what) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(what))
      const asked = `${request.method} ${request.url}`
      if (asked === 'POST /api/v1/app/files/tus') return json(409, { error: { code: 'CONFLICT', message: 'in a bucket', details: {} } })
      if (asked === 'POST /api/v1/app/files/upload-url') {
        const { size } = JSON.parse(Buffer.concat(body))
        return json(201, { file_id: '1', upload_url: `${url}/whole`, headers: { 'Content-Type': 'text/plain' }, in_parts: size > 5, key: 'k', expires_in: 3600 })
      }
      if (asked === 'POST /api/v1/app/files/1/parts') {
        const { first } = JSON.parse(Buffer.concat(body))
        asked_from.push(first)
        const number = (n) => ({ number: n, size: n === 3 ? 2 : 4, upload_url: `${url}/part/${n}`, is_uploaded: n === 2 })
        return json(200, first === 1 ? { parts: [number(1), number(2)], count: 3, next: 3, expires_in: 3600 } : { parts: [number(3)], count: 3, next: null, expires_in: 3600 })
      }
      if (asked === 'POST /api/v1/app/files/confirm') return json(200, { id: '1' })
      if (request.headers.authorization) return json(400, {})
      if (asked === 'PUT /part/1' && failures--) return json(503, {})
      if (asked === 'PUT /part/3' && late--) return json(403, {}) // its address is good no more
      parts.set(request.url, Buffer.concat(body).toString())
      response.writeHead(200).end()
    })
  })
  await new Promise((done) => http.listen(0, '127.0.0.1', done))
  const ashlar = createClient({ url: `http://127.0.0.1:${http.address().port}`, storage: memoryStorage() }, { files })
  const seen = []
  assert.deepEqual(await upload(ashlar, new Blob(['0123456789']), { on_progress: (sent) => seen.push(sent) }), { file_id: '1' })
  assert.deepEqual(Object.fromEntries(parts), { '/part/1': '0123', '/part/3': '89' }, 'without the part that was there')
  assert.deepEqual(seen, [0, 4, 8, 10, 10])
  assert.deepEqual(asked_from, [1, 3, 3])
  await upload(ashlar, new Blob(['01234'], { type: 'text/plain' }))
  assert.equal(parts.get('/whole'), '01234')
  http.close()
})
