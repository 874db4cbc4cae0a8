// What a page in Chromium gets is noted, to be compared with the reference like every other answer: see
// t/lib/Ashlar/Answers.pm, which says where (ASHLAR_TEST_ANSWERS) and for which file (ASHLAR_TEST_FILE).
//
//	noteAnswers(context)	of all pages of a context from now on
//	await noted()	those that there are so far are written: before the pages go, and their answers with them
import { appendFileSync } from 'node:fs'

const { ASHLAR_TEST_ANSWERS: dir, ASHLAR_TEST_FILE: file } = process.env
const under_way = new Set()

async function note(response) {
  const headers = (await response.headersArray()).filter((h) => h.name.toLowerCase() !== 'content-encoding').flatMap((h) => [h.name, h.value])
  const isJson = /\bjson\b/.test(response.headers()['content-type'] ?? '')
  const body = isJson ? (await response.body()).toString('latin1') : ''
  const { pathname, search } = new URL(response.url())
  const answer = { file, via: 'https', method: response.request().method(), target: pathname + search, status: response.status(), headers, body }
  appendFileSync(`${dir}/${file.replaceAll('/', '-')}.${process.pid}`, `${JSON.stringify(answer)}\n`, 'latin1')
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
