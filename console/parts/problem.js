// What went wrong, told plainly: what the server said, what one can do, and the id by which its log has the rest.
import { html } from './html.js'

const HELP = {
  AUTHORIZATION_ERROR: 'Your role does not allow this. Somebody who is an owner or admin can do it, or change your role.',
  RECENT_SIGN_IN_REQUIRED: 'This is for who has signed in within the last minutes: sign out, and in again.',
  RATE_LIMIT_EXCEEDED: 'There were too many requests.',
  INTERNAL_ERROR: 'This is a fault of the server; its log has the reason under the id below.',
}

export function Problem({ problem, retry }) {
  if (!problem) return null
  const help = HELP[problem.code] ?? (problem.status === 403 ? HELP.AUTHORIZATION_ERROR : problem.status >= 500 ? HELP.INTERNAL_ERROR : null)
  return html`<div class="problem" role="alert">
    <p><strong>${problem.message}</strong></p>
    ${help && html`<p>${help}</p>`}
    ${problem.retryAfter !== undefined && html`<p>It can be tried again in ${problem.retryAfter} s.</p>`}
    <p class="faint"><code>${problem.status || ''} ${problem.code}</code>${problem.requestId && html` · request <code>${problem.requestId}</code>`}</p>
    ${retry && html`<button type="button" class="other" onClick=${retry}>Try again</button>`}
  </div>`
}
