// What is done in the background: jobs, with what became of them, and schedules.
import { href } from '../parts/router.js'
import { html } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { resource } from '../parts/resource.js'
import { as, Facts } from '../parts/values.js'

const isOpen = (row) => ['scheduled', 'queued', 'running'].includes(row.state)
const isOurs = (row) => row.queue === 'ashlar' || row.queue.startsWith('ashlar.')

function Detail({ id }) {
  return html`<p><a href=${href('jobs')}>All jobs</a></p>
    <${Load} id="get_platform_dashboard_job" path=${{ job_id: id }}>${(job) => html`
      <h1 tabindex="-1">${job.kind}</h1>
      <${Facts} row=${job} columns=${[
    { key: 'state', as: 'state' },
    { key: 'queue', as: 'code' },
    { key: 'id', as: 'code' },
    { key: 'attempts', of: (row) => `${row.attempts} of ${row.max_attempts}` },
    { key: 'run_at', label: 'to be run', as: 'datetime' },
    { key: 'started_at', label: 'started', as: 'datetime' },
    { key: 'finished_at', label: 'ended', as: 'datetime' },
    { key: 'worker' },
    { key: 'created_at', label: 'made', as: 'datetime' },
  ]} />
      ${job.errors.length > 0 && html`<h2>What went wrong</h2><ol>${job.errors.map((one) => html`<li key=${one.attempt}>${as.datetime(one.at)}: ${one.error}</li>`)}</ol>`}
      <h2>Payload</h2>${isOurs(job) ? html`<p class="faint">What the server's own jobs carry is not shown: it may have secrets in it.</p>` : as.json(job.payload)}
      ${job.result !== null && html`<h2>Result</h2>${as.json(job.result)}`}`}<//>`
}

export const jobs = resource({
  path: 'jobs', title: 'Jobs', group: 'Run',
  about: html`What is done in the background, by the server itself and by your workers. One that has failed can be put back, one that has not ended be cancelled.`,
  list: ['list_platform_dashboard_jobs', 'list_app_jobs'],
  name: (row) => row.kind,
  columns: [
    { key: 'kind', main: true, show: (kind, row) => html`<a href=${href('jobs', row.id)}>${kind}</a>` },
    { key: 'queue' },
    { key: 'state', as: 'state' },
    { key: 'attempts', of: (row) => `${row.attempts} of ${row.max_attempts}` },
    { key: 'last_error', label: 'last error', wide: true },
    { key: 'run_at', label: 'to be run', as: 'ago', wide: true },
    { key: 'created_at', label: 'made', as: 'ago' },
  ],
  empty: 'No job has been made in the last days.',
  actions: [
    { operation: ['retry_platform_dashboard_job', 'retry_app_job'], label: 'Retry', when: (row) => row.state === 'failed', said: 'The job is in its queue again.' },
    {
      operation: 'cancel_platform_dashboard_job', label: 'Cancel', title: 'Cancel the job?', danger: true, when: (row) => isOpen(row) && (!isOurs(row) || (row.kind === 'mail' && row.state !== 'running')),
      text: (row) => (row.state === 'running' ? `What ${row.kind} has done so far is rolled back.` : `${row.kind} is not begun.`), said: 'The job is cancelled.',
    },
  ],
  detail: Detail,
})

export const schedules = resource({
  path: 'schedules', title: 'Schedules', group: 'Run',
  about: html`What makes jobs by the clock, in your own queues. One is made where jobs are submitted.`,
  list: 'list_platform_dashboard_schedules',
  name: (row) => row.kind,
  columns: [
    { key: 'kind', main: true },
    { key: 'queue' },
    { key: 'cron', label: 'when', of: (row) => row.cron ?? `every ${row.every_ms / 1000} s`, as: 'code' },
    { key: 'next_run_at', label: 'next', as: 'datetime' },
    { key: 'created_at', label: 'made', as: 'date', wide: true },
  ],
  empty: 'There is no schedule.',
  remove: { operation: 'delete_platform_dashboard_schedule', title: 'Delete the schedule?', text: (row) => `${row.kind} in ${row.queue} is made no more, and its job to come is cancelled.`, said: 'The schedule is deleted.' },
})
