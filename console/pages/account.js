// One's own account, of a member of the team: the second factor and the password.
import { html, useState } from '../parts/html.js'
import { Dialog, reveal } from '../parts/dialog.js'
import { Form } from '../parts/form.js'
import { Load } from '../parts/load.js'
import { say } from '../parts/say.js'
import { Facts } from '../parts/values.js'
import { callOperation } from '../api/call.js'
import { Problem } from '../parts/problem.js'
import { current, signOut } from '../session/session.js'

const showCodes = ({ recovery_codes: codes }) => reveal({
  title: 'Your recovery codes', secret: codes.join('\n'),
  text: 'Each is good once, in the place of a code, when the app is lost. This is the only time that they are shown: keep them apart from it.',
})

// A dialog with a form in it, and what came of it.
function Ask({ title, id, action, about, onDone, onClose }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    ${about}
    <${Form} id=${id} action=${action} onDone=${onDone} />
    <p><button type="button" class="other" onClick=${onClose}>Cancel</button></p>
  <//>`
}

function SecondFactor({ state, reload }) {
  const [open, setOpen] = useState(null) // { kind, secret, otpauth_uri }
  const [problem, setProblem] = useState(null)
  const close = () => setOpen(null)
  async function enrol() {
    const answer = await callOperation('enrol_platform_team_totp')
    setProblem(answer.problem?.code === 'RECENT_SIGN_IN_REQUIRED' ? { ...answer.problem, message: 'This is for who has signed in within the last minutes: sign out, and in again.' } : answer.problem)
    if (answer.ok) setOpen({ kind: 'enrol', ...answer.data })
  }
  const done = (said) => async (data) => {
    close()
    if (data?.recovery_codes) await showCodes(data)
    say(said)
    reload()
  }
  return html`<h2>Second factor</h2>
    <p>${state.enabled ? 'Signing in asks for a code of your authenticator app, beside the password.' : 'With it, signing in asks for a code of an authenticator app, too: who knows your password is not in with that.'}</p>
    <${Facts} row=${state} columns=${[{ key: 'enabled', label: 'is', as: 'on' }, { key: 'confirmed_at', label: 'since', as: 'datetime' }, { key: 'recovery_codes_left', label: 'recovery codes left' }]} />
    <${Problem} problem=${problem} />
    <p class="row">${state.enabled ? html`
      <button type="button" class="other" onClick=${() => setOpen({ kind: 'codes' })}>New recovery codes</button>
      <button type="button" class="danger" onClick=${() => setOpen({ kind: 'disable' })}>Turn it off</button>` : html`<button type="button" onClick=${enrol}>Turn it on</button>`}</p>
    ${open?.kind === 'enrol' && html`<${Ask} title="Turn the second factor on" id="activate_platform_team_totp" action="Turn it on" onClose=${close} onDone=${done('The second factor is on.')}
      about=${html`<p>Put this secret into your authenticator app, then type the code that it shows.</p><p class="secret"><code>${open.secret}</code></p><p><a href=${open.otpauth_uri}>Open it in an app of this device</a></p>`} />`}
    ${open?.kind === 'codes' && html`<${Ask} title="New recovery codes" id="renew_platform_team_recovery_codes" action="Get new codes" onClose=${close} onDone=${done('The old recovery codes are good for nothing now.')}
      about=${html`<p>They take the place of those that are left.</p>`} />`}
    ${open?.kind === 'disable' && html`<${Ask} title="Turn the second factor off" id="disable_platform_team_totp" action="Turn it off" onClose=${close} onDone=${done('The second factor is off.')}
      about=${html`<p>The password alone lets you in then, and whoever else knows it.</p>`} />`}`
}

function View() {
  const who = current()
  return html`<h1 tabindex="-1">Your account</h1>
    <${Facts} row=${who} columns=${[{ key: 'name' }, { key: 'email' }, { key: 'role' }, { key: 'tenant' }]} />
    <${Load} id="get_platform_team_mfa">${(state, reload) => html`<${SecondFactor} state=${state} reload=${reload} />`}<//>
    <h2>Password</h2>
    <p>With another one all of your sessions end, this one too.</p>
    <${Form} id="change_platform_team_password" action="Change the password" onDone=${() => signOut()} />`
}

export const account = { path: 'account', title: 'Your account', group: 'Settings', needs: 'get_platform_team_mfa', View }
