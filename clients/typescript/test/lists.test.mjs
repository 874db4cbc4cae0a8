// Lists: a page when awaited, all rows by `for await`, whatever the form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient, memoryStorage } from 'ashlar'
import * as app from 'ashlar/app'
import * as observability from 'ashlar/observability'
import * as operations from 'ashlar/operations'
import * as platform from 'ashlar/platform'
import * as v2 from 'ashlar/v2'
import * as workspace from 'ashlar/workspace'
import { act, server, somebody } from './harness.mjs'

const surfaces = { app, observability, operations, platform, v2, workspace }
const all = async (list) => {
  const rows = []
  for await (const row of list) rows.push(row)
  return rows
}

// A server with n rows, that pages as a line says, and asks for nothing else.
function pretend(line, n, { most = Infinity, capped = false } = {}) {
  const [rows, place, size, usual] = line.split(' ').find((word) => word.startsWith('*')).slice(1).split(',')
  const stored = Array.from({ length: n }, (_, at) => ({ at }))
  const asked = []
  const answer = (url) => {
    const query = new URL(url).searchParams
    asked.push(Object.fromEntries(query))
    const number = (name, or) => Number(query.get(name) ?? or)
    let from = 0, count = n
    if (place === 'page') [count, from] = [Math.min(number(size, usual), most), (number('page', 1) - 1) * Math.min(number(size, usual), most)]
    else if (size === 'end') [from, count] = [number('start', 0), number('end', usual - 1) - number('start', 0) + 1]
    else if (place) [from, count] = [number(place, 0), Math.min(number(size, usual), most)]
    const page = stored.slice(from, from + count)
    const beside = place === 'cursor' ? { next_cursor: from + count < n ? String(from + count) : null }
      : { total: capped ? Math.min(n, 10001) : n, ...(size && size !== 'end' && { [size]: count }) }
    const way = rows.split('.')
    if (rows === '') return page
    if (way[0] === 'data' && way[1]) return { data: { [way[1]]: page, ...beside }, meta: { version: 'v2' } }
    return way[0] === 'data' ? { data: page, meta: beside } : { [rows]: page, ...beside }
  }
  const json = (url) => Promise.resolve(new Response(JSON.stringify(answer(url)), { headers: { 'Content-Type': 'application/json' } }))
  return { asked, client: createClient({ url: 'https://api.example.com', storage: memoryStorage(), fetch: json }, surfaces) }
}

const lists = Object.entries(surfaces).flatMap(([surface, nouns]) => Object.entries(nouns).flatMap(([noun, lines]) =>
  Object.entries(lines).filter(([, line]) => line.includes(' *')).map(([name, line]) => ({ surface, noun, name, line }))))

test('every list of the document gives each row once, in its order', async () => {
  assert.ok(lists.length > 70, `${lists.length} lists`)
  const forms = new Set()
  for (const { surface, noun, name, line } of lists) {
    const path = Object.fromEntries([...line.matchAll(/\{(\w+)\}/g)].map(([, member]) => [member, '1']))
    const [, place, size, usual] = line.split('*')[1].split(' ')[0].split(',')
    forms.add([place, size].join())
    const per = Number(usual ?? 7)
    for (const n of [0, 1, per - 1, per, per + 1, 3 * per].filter((each) => each >= 0)) {
      const { client, asked } = pretend(line, n)
      const rows = await all(client[surface][noun][name](path))
      assert.deepEqual(rows.map((row) => row.at), Array.from({ length: n }, (_, at) => at), `${surface}.${noun}.${name}, ${n} rows`)
      if (!place) assert.equal(asked.length, 1)
    }
  }
  assert.deepEqual([...forms].sort(), [',', 'cursor,limit', 'offset,limit', 'page,limit', 'page,page_size', 'page,per_page', 'page,size', 'skip,limit', 'start,end'])
})

test('pages of another size, from elsewhere, and what the server cuts them to', async () => {
  const line = app.projects.list
  for (const [given, n, options, first] of [[{ limit: 7 }, 20, {}, 0], [{ skip: 5, limit: 4 }, 20, {}, 5], [{ limit: 500 }, 250, { most: 100 }, 0], [{ limit: 1000 }, 10500, { most: 1000, capped: true }, 0]]) {
    const { client } = pretend(line, n, options)
    assert.deepEqual((await all(client.app.projects.list(given))).map((row) => row.at), Array.from({ length: n - first }, (_, at) => at + first))
  }
  const { client, asked } = pretend(line, 40)
  for await (const row of client.app.projects.list()) if (row.at === 3) break
  assert.equal(asked.length, 1, 'what nobody looks at is not asked for')
  const list = client.app.projects.list()
  assert.deepEqual([(await list).total, (await list).items.length, asked.length], [40, 20, 2], 'awaited twice it is asked for once')
  await list.finally(() => {})
})

test('an error in the middle is thrown where the rows are looked at', async () => {
  let n = 0
  const failing = createClient({ url: 'https://api.example.com', storage: memoryStorage(), retries: 0, fetch: async () => (++n === 1
    ? new Response(JSON.stringify({ items: Array(20).fill({}), total: 40, skip: 0, limit: 20 }), { headers: { 'Content-Type': 'application/json' } })
    : new Response('', { status: 500 })) }, app)
  let seen = 0
  await assert.rejects(async () => { for await (const _ of failing.projects.list()) seen++ }, (error) => error.status === 500)
  assert.equal(seen, 20)
  await failing.projects.list().catch((error) => assert.equal(error.status, 500))
})

test('of the real server: objects, version 2, numbered pages, ranges, offsets and arrays', async () => {
  const ann = await somebody({}, surfaces)
  const names = Array.from({ length: 45 }, (_, n) => `project ${n}`)
  for (const name of names) await ann.app.projects.create({ name })
  assert.deepEqual((await all(ann.app.projects.list())).map((one) => one.name), names.toReversed())
  assert.deepEqual((await all(ann.v2.projects.list({ limit: 10 }))).map((one) => one.name), names.toReversed())
  assert.equal((await all(ann.app.projects.list({ search: 'project 1', limit: 3 }))).length, 11)

  const { secret } = await act('many_users', 45)
  const tenant = createClient({ url: server.url, key: secret, storage: memoryStorage() }, surfaces)
  const users = await all(tenant.platform.users.list())
  assert.deepEqual([users.length, new Set(users.map((user) => user.id)).size], [45, 45])

  const queue = `q${crypto.randomUUID().slice(0, 8)}`
  for (let n = 0; n < 60; n++) await tenant.operations.jobs.submitTask({ task_type: 'x', queue_name: queue, payload: { n } })
  assert.deepEqual((await all(tenant.operations.jobs.listQueueJobs({ queue }))).length, 60)
  assert.equal((await all(tenant.operations.jobs.listQueueJobs({ queue, end: 6 }))).length, 60)
  for (let n = 0; n < 12; n++) await tenant.operations.jobs.submitScheduledJob({ queue, name: `n${n}`, data: {}, every: 3_600_000 })
  assert.equal((await all(tenant.operations.jobs.listSchedules({ limit: 5 }))).length, 12)
  const organization = await ann.platform.organizations.create({ name: 'Engines', slug: queue })
  assert.equal((await all(ann.platform.organizations.listMembers({ organization_id: organization.id, limit: 1 }))).length, 1)
})
