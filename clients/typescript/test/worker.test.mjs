// Workers: claim, do, keep, report.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient, GiveUp, memoryStorage, work } from 'ashlar'
import { jobs } from 'ashlar/operations'
import { counted, eventually, noted, server } from './harness.mjs'

const queueName = () => `q${crypto.randomUUID().slice(0, 8)}`
const tenant = (options = {}) => createClient({ url: server.url, key: server.secret, storage: memoryStorage(), fetch: noted, ...options }, { jobs })
const submit = async (client, queue_name, payload, more = {}) => (await client.jobs.submitTask({ task_type: 'x', queue_name, payload, ...more })).data.id
const stateOf = async (client, task_id) => (await client.jobs.getTask({ task_id })).data

test('tasks are done side by side, with results, errors and those given up', async () => {
  const client = tenant(), queue = queueName(), stop = new AbortController(), errors = []
  const ids = []
  for (let n = 0; n < 6; n++) ids.push(await submit(client, queue, { n }, { max_attempts: 2 }))
  let running = 0, most = 0
  const working = work(client, queue, async (task) => {
    most = Math.max(most, ++running)
    await eventually('another runs, too', () => running > 1 || task.payload.n > 3)
    await new Promise((done) => setTimeout(done, 50))
    running--
    if (task.payload.n === 1) throw new Error('no image')
    if (task.payload.n === 2) throw new GiveUp('never an image')
    return { n: task.payload.n }
  }, { concurrency: 2, signal: stop.signal, idle_ms: 50, on_error: (error) => errors.push(error) })
  await eventually('all have ended', async () => (await Promise.all(ids.map((id) => stateOf(client, id)))).every((task) => ['completed', 'failed', 'delayed'].includes(task.status)))
  stop.abort()
  await working
  const tasks = await Promise.all(ids.map((id) => stateOf(client, id)))
  assert.deepEqual(tasks.map((task) => task.status), ['completed', 'delayed', 'failed', 'completed', 'completed', 'completed'])
  assert.deepEqual(tasks[0].result, { n: 0 })
  assert.equal(most, 2)
  assert.deepEqual(errors, [])
})

test('a task that lasts longer than its lease is kept by heartbeats', async () => {
  const counter = counted(), client = tenant({ fetch: counter.fetch }), queue = queueName(), stop = new AbortController()
  const id = await submit(client, queue, {}, { timeout_seconds: 1 })
  let runs = 0
  const working = work(client, queue, async () => {
    runs++
    await eventually('it was kept for long', () => counter.count(`POST /api/task-queue/${id}/heartbeat`) >= 6)
    stop.abort()
    return 'done'
  }, { signal: stop.signal, idle_ms: 50 })
  await working
  const task = await stateOf(client, id)
  assert.deepEqual([task.status, task.attempts, runs], ['completed', 1, 1])
})

test('a task that is cancelled meanwhile is told, and not reported', async () => {
  const counter = counted(), client = tenant({ fetch: counter.fetch }), queue = queueName(), stop = new AbortController()
  const id = await submit(client, queue, {}, { timeout_seconds: 1 })
  await work(client, queue, async (task, signal) => {
    await client.jobs.cancelTask({ task_id: id })
    await eventually('it is told', () => signal.aborted)
    stop.abort()
  }, { signal: stop.signal })
  assert.equal((await stateOf(client, id)).status, 'cancelled')
  assert.equal(counter.count(`POST /api/task-queue/${id}/complete`), 0)
})

test('a task whose lease has run out unheard is told, and not reported', async () => {
  let isAway = true
  const counter = counted((url, init) => (isAway && url.endsWith('/heartbeat') ? Promise.reject(new TypeError('away')) : noted(url, init)))
  const client = tenant({ fetch: counter.fetch }), queue = queueName(), stop = new AbortController()
  const id = await submit(client, queue, {}, { timeout_seconds: 1 })
  await work(client, queue, async (task, signal) => {
    await eventually('it is told', () => signal.aborted)
    stop.abort()
  }, { signal: stop.signal })
  isAway = false
  assert.equal(counter.count(`POST /api/task-queue/${id}/complete`), 0)
})

test('a server that is away is waited for; who may not claim ends', async () => {
  const queue = queueName(), stop = new AbortController()
  let away = 4
  const client = tenant({ fetch: (url, init) => (away-- > 0 && url.includes('claim') ? Promise.reject(new TypeError('away')) : noted(url, init)) })
  const id = await submit(client, queue, {})
  await work(client, queue, () => void stop.abort(), { signal: stop.signal, idle_ms: 20 })
  assert.equal((await stateOf(client, id)).status, 'completed')
  const nobody = createClient({ url: server.url, storage: memoryStorage() }, { jobs })
  await assert.rejects(() => work(nobody, queue, () => {}, {}), (error) => error.status === 401)
})
