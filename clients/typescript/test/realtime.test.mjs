// Realtime: by WebSocket and by event streams, through restarts and what looks like sleep.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { AshlarError, Realtime } from 'ashlar'
import { act, eventually, somebody } from './harness.mjs'

// A client's channel with all that it heard.
function listen(rt, channel, more = {}) {
  const seen = { messages: [], missed: 0, errors: [], users: undefined }
  const handle = rt.subscribe(channel, {
    on_message: (message) => seen.messages.push(message.data?.n ?? message.n ?? message.type), on_missed: () => seen.missed++, on_error: (error) => seen.errors.push(error),
    ...(more.presence && { on_presence: (users) => (seen.users = users) }),
  })
  return Object.assign(seen, handle)
}
const has = (seen, wanted) => JSON.stringify(seen.messages) === JSON.stringify(wanted)

for (const [kind, options] of [['a WebSocket', { WebSocket }], ['an event stream', { WebSocket: null }]]) {
  test(`what is published comes by ${kind}, once and in order, through a restart`, async () => {
    const ann = await somebody()
    const { id } = await ann.projects.create({ name: 'live' })
    const statuses = []
    const rt = new Realtime(ann, { ...options, on_status: (status) => statuses.push(status) })
    const one = listen(rt, `project:${id}`), news = listen(rt, 'public:news')
    await eventually('it is there', () => rt.status === 'online')
    await eventually('both are listened to', async () => (await act('publish', ann.user.id, `project:${id}`, 0), await act('publish', ann.user.id, 'public:news', 0), one.messages.length && news.messages.length))
    one.messages.length = 0
    for (const n of [1, 2, 3]) await act('publish', ann.user.id, `project:${id}`, n)
    await eventually('three come', () => one.messages.filter((n) => n > 0).length === 3)
    await act('stop_realtime')
    await eventually('it is noticed', () => rt.status !== 'online')
    for (const n of [4, 5]) await act('publish', ann.user.id, `project:${id}`, n)
    await act('start_realtime')
    await eventually('it is back, with what was missed', () => one.messages.filter((n) => n > 0).length === 5)
    await act('publish', ann.user.id, `project:${id}`, 6)
    await eventually('and goes on', () => one.messages.includes(6))
    assert.deepEqual(one.messages.filter((n) => n > 0), [1, 2, 3, 4, 5, 6])
    assert.equal(one.missed, 0)
    one.leave()
    assert.ok(statuses.includes('offline'))
    rt.close()
    assert.equal(rt.status, 'closed')
    assert.deepEqual([...one.errors, ...news.errors], [])
  })
}

test('what is sent reaches all, and who is there is known', async () => {
  const ann = await somebody()
  const { id } = await act('organization', ann.user.id)
  const rt = [new Realtime(ann, { WebSocket }), new Realtime(ann, { WebSocket })]
  const [one, two] = rt.map((each) => listen(each, `organization:${id}`, { presence: true }))
  await eventually('both know', () => one.users?.length === 1 && two.users?.length === 1)
  one.send({ n: 1 })
  await eventually('both hear', () => has(one, [1]) && has(two, [1]))
  const bob = await somebody()
  await act('member', id, bob.user.id)
  const third = new Realtime(bob, { WebSocket }), three = listen(third, `organization:${id}`, { presence: true })
  await eventually('they see each other', () => one.users.length === 2 && three.users?.length === 2)
  third.close()
  await eventually('until one goes', () => one.users.length === 1)
  assert.throws(() => rt[0].subscribe(`organization:${id}`, {}), /already/)
  for (const each of rt) each.close()
  assert.throws(() => one.send({ n: 2 }), AshlarError)
})

test('a channel that is not yours is refused, and the others go on', async () => {
  const [ann, bob] = [await somebody(), await somebody()]
  const { id } = await bob.projects.create({ name: 'his' })
  for (const Socket of [WebSocket, null]) {
    const rt = new Realtime(ann, { WebSocket: Socket })
    const his = listen(rt, `project:${id}`), news = listen(rt, 'public:news')
    await eventually('it is refused', () => his.errors.length === 1)
    assert.ok([403, 404].includes(his.errors[0].status))
    await eventually('the other one listens', async () => (await act('publish', ann.user.id, 'public:news', 1), news.messages.length))
    rt.close()
  }
})

test('who sleeps, or changes networks, comes back with what was missed', async () => {
  const ann = await somebody()
  const { id } = await ann.projects.create({ name: 'live' })
  // A socket that is dead, and does not know it: nothing comes, and it does not close.
  const sockets = []
  class Deaf extends WebSocket {
    constructor(url) { super(url); sockets.push(this) }
  }
  const rt = new Realtime(ann, { WebSocket: Deaf })
  const one = listen(rt, `project:${id}`)
  await eventually('it listens', async () => (await act('publish', ann.user.id, `project:${id}`, 1), one.messages.length))
  sockets[0].onmessage = null
  sockets[0].onclose = null
  const before = one.messages.length
  await act('publish', ann.user.id, `project:${id}`, 2)
  rt.reconnect()
  await eventually('what was missed comes', () => one.messages.includes(2))
  assert.equal(one.missed, 0)
  assert.ok(one.messages.slice(before).every((n) => n > 0))
  // The clock goes on while timers stand still.
  await eventually('it listens again', async () => (await act('publish', ann.user.id, `project:${id}`, 3), one.messages.includes(3)))
  const deaf = sockets.at(-1), now = Date.now
  deaf.onmessage = null
  deaf.onclose = null
  await act('publish', ann.user.id, `project:${id}`, 4)
  Date.now = () => now() + 60_000
  try {
    await eventually('it has noticed that it slept', () => one.messages.includes(4))
  } finally {
    Date.now = now
  }
  assert.equal(one.missed, 0)
  rt.close()
})

test('what was asked too fast is asked again', async () => {
  const said = []
  let drops = 2
  class Server {
    readyState = 1
    constructor() {
      setTimeout(() => (this.onopen(), this.tell({ type: 'connected' })))
    }
    tell(what) { this.onmessage({ data: JSON.stringify(what) }) }
    send(text) {
      const { type, channel } = JSON.parse(text)
      said.push(`${type} ${channel}`)
      if (drops-- > 0) return this.tell({ type: 'error', code: 'RATE_LIMITED', message: 'too many messages a second' })
      this.tell({ type: 'subscribed', channel, recovered: false, event_id: 1 })
      this.tell({ type: 'update', channel, event_id: 2, data: { n: 7 } })
    }
    close() {}
  }
  const rt = new Realtime(await somebody(), { WebSocket: Server })
  const all = ['a', 'b', 'c'].map((name) => listen(rt, `public:${name}`))
  await eventually('all hear', () => all.every((one) => has(one, [7])))
  assert.deepEqual(said.sort(), ['a', 'a', 'b', 'b', 'c'].map((name) => `subscribe public:${name}`))
  assert.ok(all.every((one) => one.missed === 0))
  rt.close()
})

test('a proxy that lets no WebSocket through leaves event streams', async () => {
  const ann = await somebody()
  const { id } = await ann.projects.create({ name: 'live' })
  let tried = 0
  class Blocked {
    readyState = 0
    constructor() { tried++; setTimeout(() => this.onclose?.({ code: 1006 })) }
    close() {}
  }
  const rt = new Realtime(ann, { WebSocket: Blocked })
  const one = listen(rt, `project:${id}`)
  await eventually('it listens', async () => (await act('publish', ann.user.id, `project:${id}`, 1), one.messages.length))
  assert.equal(tried, 2)
  rt.close()
})

test('whose session ends is told, and nothing is tried any more', async () => {
  const ann = await somebody()
  const rt = new Realtime(ann, { WebSocket })
  const news = listen(rt, 'public:news')
  await eventually('it is there', () => rt.status === 'online')
  await act('end_sessions', ann.user.id)
  await eventually('it is closed', () => rt.status === 'closed')
  assert.equal(news.errors[0].code, 'AUTHENTICATION_ERROR')
  assert.equal(await ann.session.tokens(), null)
})
