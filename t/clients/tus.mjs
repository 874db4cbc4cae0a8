// tus-js-client for t/clients/tus.t: it uploads what is in a file, says what it is about to send, and waits for a line before each
// request: "POST", "HEAD", "PATCH 1048576", "url …", "done", "error …".
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Upload } from 'tus-js-client'

const [endpoint, token, file, uploadUrl] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const upload = new Upload(readFileSync(file), {
  endpoint,
  uploadUrl: uploadUrl || null,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: 'säfe.bin', filetype: 'application/octet-stream' },
  chunkSize: 1 << 20,
  retryDelays: Array(50).fill(200),
  async onBeforeRequest(req) {
    console.log([req.getMethod(), req.getHeader('Upload-Offset')].filter((x) => x !== undefined).join(' '))
    await lines.next()
  },
  onUploadUrlAvailable() { console.log(`url ${upload.url}`) },
  onSuccess() { console.log('done'); process.exit(0) },
  onError(error) { console.log(`error ${error.message.replace(/\n/g, ' ')}`); process.exit(1) },
})
upload.start()
