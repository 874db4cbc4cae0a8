// What a page in Chromium, or a client in Node, gets is noted, to be compared with the reference like every other answer: see
// t/lib/Ashlar/Answers.pm, which says where (ASHLAR_TEST_ANSWERS) and for which file (ASHLAR_TEST_FILE).
//
//	noteAnswers(context)	of all pages of a context from now on
//	notedFetch(request)	fetch(), whose answer is noted
//	noteBytes(method, url, response, bytes)	an answer that somebody else has read
//	await noted()	those that there are so far are written: before the pages go, and their answers with them
import { appendFileSync } from 'node:fs'

const { ASHLAR_TEST_ANSWERS: dir, ASHLAR_TEST_FILE: file } = process.env
const under_way = new Set()

function write(method, url, status, headers, bytes) {
  const { pathname, search } = new URL(url)
  const names = headers.filter(([name]) => name.toLowerCase() !== 'content-encoding').flat()
  const answer = { file, via: 'https', method, target: pathname + search, status, headers: names, body: bytes.toString('latin1') }
  appendFileSync(`${dir}/${file.replaceAll('/', '-')}.${process.pid}`, `${JSON.stringify(answer)}\n`, 'latin1')
}

async function note(response) {
  const isJson = /\bjson\b/.test(response.headers()['content-type'] ?? '')
  const headers = (await response.headersArray()).map((h) => [h.name, h.value])
  write(response.request().method(), response.url(), response.status(), headers, isJson ? await response.body() : Buffer.of())
}

export function noteBytes(method, url, response, bytes) {
  if (dir) write(method, url, response.status, [...response.headers], bytes)
}

export async function notedFetch(request) {
  const response = await fetch(request)
  noteBytes(request.method, request.url, response, Buffer.from(await response.clone().arrayBuffer()))
  return response
}

export function noteAnswers(context) {
  context.on('response', (response) => {
    // A page at a plain address is another server's, a stream does not end, and a page is nobody's schema.
    if (!dir || !response.url().startsWith('https:') || !/\/(?:api|v\d)\//.test(response.url())) return
    if (/event-stream/.test(response.headers()['content-type'] ?? '')) return
    const one = note(response).catch((error) => console.error(`${response.url()} is not noted: ${error.message}`)).finally(() => under_way.delete(one))
    under_way.add(one)
  })
}

export const noted = () => Promise.all(under_way)
