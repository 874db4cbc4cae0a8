// Answers of models as they come, and events in general.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient, eventsOf, memoryStorage, textsOf } from 'ashlar'
import { ai } from 'ashlar/app'
import * as platform from 'ashlar/platform'
import * as v2 from 'ashlar/v2'
import { act, eventually, server, somebody } from './harness.mjs'

const collect = async (texts) => {
  const pieces = []
  for await (const piece of texts) pieces.push(piece)
  return pieces
}

test('text, piece by piece, in each form that the API has', async () => {
  const pieces = ['  A ', 'hårbour', '\nis {"json"', ': 1}', ' 😀', ' 12']
  const whole = pieces.join('')
  const ann = await somebody({}, { ai, v2 })
  const tenant = createClient({ url: server.url, key: server.secret, storage: memoryStorage() }, { platform })
  const messages = [{ role: 'user', content: 'What is a harbour?' }]
  for (const [name, start] of [
    ['version 1', () => ann.ai.createChat.stream({ prompt: 'What is a harbour?' })],
    ['version 2', () => ann.v2.ai.createChat.stream({ prompt: 'What is a harbour?' })],
    ['OpenAI\'s completions', () => tenant.platform.ai.createOpenaiCompletion.stream({ model: 'gpt-4o', messages })],
    ['OpenAI\'s responses', () => tenant.platform.ai.createOpenaiResponse.stream({ model: 'gpt-4o', input: 'What is a harbour?' })],
    ['Anthropic\'s messages', () => tenant.platform.ai.createAnthropicMessage.stream({ model: 'gpt-4o', max_tokens: 100, messages })],
  ]) {
    for (const chunk of [undefined, 1]) {
      await act('model', { text: pieces, chunk })
      const got = await collect(textsOf(start()))
      assert.equal(got.join(''), whole, name)
      assert.ok(got.length > 1, `${name}: in pieces`)
    }
  }
  await act('model', { text: pieces })
  assert.equal((await ann.ai.createChat({ prompt: 'x' })).content, whole, 'and without stream() all at once')
})

test('who leaves, or aborts, ends the model\'s answer', async () => {
  const ann = await somebody({}, { ai })
  for (const leave of ['break', 'abort']) {
    await act('model', { text: Array(500).fill('piece '), piece_delay: 0.05 })
    const abort = new AbortController()
    let seen = 0
    const reading = (async () => {
      for await (const _ of textsOf(ann.ai.createChat.stream({ prompt: 'x' }, { signal: abort.signal }))) {
        if (++seen < 3) continue
        if (leave === 'break') break
        abort.abort(new Error('enough'))
      }
    })()
    if (leave === 'break') await reading
    else await assert.rejects(() => reading, /enough|abort/i)
    await eventually('the model is told', () => act('model_is_left'))
  }
})

test('what fails before the beginning is an error, and behind it, too', async () => {
  const ann = await somebody({ retries: 0 }, { ai })
  await act('model', { status: 529 })
  await assert.rejects(() => collect(textsOf(ann.ai.createChat.stream({ prompt: 'x' }))), (error) => error.code === 'EXTERNAL_SERVICE_ERROR' && error.status === 502)
  await act('model', { text: ['a', 'b', 'c'], error: 2 })
  const got = []
  await assert.rejects(async () => { for await (const piece of textsOf(ann.ai.createChat.stream({ prompt: 'x' }))) got.push(piece) }, (error) => error.name === 'AshlarError')
  assert.equal(got.join(''), 'ab')
})

test('events are read as the standard has them, however they are cut', async () => {
  const text = '\uFEFF: a comment\r\n\r\nid: 1\ndata: {"n":1}\n\nevent: x\rdata: a\rdata:  b\r\rid\ndata\n\nretry: 1500\n\ndata: [1]\r\n\r\ndata: never ended'
  const wanted = [
    { event: 'message', data: { n: 1 }, id: '1' }, { event: 'x', data: 'a\n b', id: '1' }, { event: 'message', data: '', id: '' }, { event: 'message', data: [1], id: '' },
  ]
  const bytes = new TextEncoder().encode(text)
  for (const size of [1, 2, 3, 5, bytes.length]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.slice(n * size, (n + 1) * size))
    let retry
    const events = []
    for await (const event of eventsOf(new Response(new Blob(pieces).stream()), { on_retry: (ms) => (retry = ms) })) events.push(event)
    assert.deepEqual(events, wanted, `in pieces of ${size}`)
    assert.equal(retry, 1500)
  }
})
