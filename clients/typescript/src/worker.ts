// A worker for a queue: claims tasks, does them, keeps them while they last, and reports.
import { type Client, newKey } from './client.js'
import { AshlarError } from './errors.js'
import { backoff, pause } from './http.js'
import type { components } from './schema.js'

export type Task = components['schemas']['TaskQueueJob']

/** Thrown by who does a task: it has failed for good, and is not tried again. */
export class GiveUp extends Error {
  override readonly name = 'GiveUp'
}

export interface WorkOptions {
  /** How many tasks at a time: 1, if left out. */
  concurrency?: number
  /** Only tasks of this type. */
  task_type?: string
  worker_id?: string
  /** Aborted: nothing is claimed any more, and what runs is finished. */
  signal?: AbortSignal
  /** The longest pause while there is nothing to do. */
  idle_ms?: number
  /** What goes wrong beside the tasks: a report that was refused, a server that is away. */
  on_error?: (error: unknown, task?: Task) => void
}

/**
 * Do the tasks of a queue, until the signal is aborted.  What run() returns is the task's result, what it throws its error.  Its signal is aborted
 * when the task is another's, or was cancelled: whatever run() says then is not reported.
 */
export async function work(client: Client, queue: string, run: (task: Task, signal: AbortSignal) => unknown, options: WorkOptions = {}): Promise<void> {
  const { concurrency = 1, task_type, worker_id = `sdk-${newKey()}`, signal, idle_ms = 10_000, on_error = () => {} } = options
  const ask = async (path: string, body: object, retries = 8) => {
    const asking = { body: { worker_id, ...body }, idempotency_key: newKey(), is_repeatable: true, retries }
    return (await client.json<{ data: Task | null }>('POST', `/api/task-queue/${path}`, asking)).data
  }

  async function one(task: Task): Promise<void> {
    const lost = new AbortController(), attempt = task.attempts
    const lease = Date.parse(task.lease_expires_at!) - Date.parse(task.claimed_at!)
    let kept = Date.now()
    const beat = setInterval(() => {
      const at = Date.now()
      ask(`${task.id}/heartbeat`, { attempt }, 1).then(() => (kept = at), (error) => {
        // Whose lease has run out, unheard, is nobody's any more: somebody else may have it by now.
        const is_lost = error instanceof AshlarError && [404, 409].includes(error.status)
        if (is_lost || Date.now() - kept >= lease) lost.abort(error)
        else on_error(error, task)
      })
    }, Math.max(lease / 3, 100))
    try {
      const report = await Promise.resolve().then(() => run(task, lost.signal)).then(
        (result) => ['complete', { result: result ?? null }] as const,
        (error) => ['fail', { error: String(error?.message ?? error).slice(0, 2000) || 'it failed', retry: !(error instanceof GiveUp) }] as const,
      )
      if (!lost.signal.aborted) await ask(`${task.id}/${report[0]}`, { attempt, ...report[1] })
    } catch (error) {
      on_error(error, task)
    } finally {
      clearInterval(beat)
    }
  }

  async function lane(): Promise<void> {
    for (let idle = 0; !signal?.aborted; ) {
      try {
        const task = await ask('claim', { queue_name: queue, ...(task_type && { task_type }) })
        if (task) await one(task)
        idle = task ? 0 : idle + 1
      } catch (error) {
        on_error(error)
        if (error instanceof AshlarError && [401, 403, 422].includes(error.status)) throw error
        idle++
      }
      if (idle) await pause(Math.min(backoff(idle), idle_ms), signal).catch(() => {})
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
}
