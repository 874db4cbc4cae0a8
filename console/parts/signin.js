// Signing in: an address and a password, and a second factor where the account has one.
import { problemOf } from '../api/call.js'
import { signIn, verify, why } from '../session/session.js'
import { html, useEffect, useRef, useState } from './html.js'
import { Problem } from './problem.js'

const SAID = {
  expired: 'Your session has ended. Sign in again, and you are back on the page where you were.',
  'signed out': 'You are signed out.',
}

export function SignIn() {
  const [kind, setKind] = useState('team')
  const [isSecond, setSecond] = useState(false)
  const [problem, setProblem] = useState(null)
  const [isBusy, setBusy] = useState(false)
  const form = useRef()
  useEffect(() => form.current.elements[isSecond ? 'code' : 'email'].focus(), [isSecond])

  async function submit(event) {
    event.preventDefault()
    if (isBusy) return
    setBusy(true)
    setProblem(null)
    const { email, password, key, code } = Object.fromEntries(new FormData(form.current))
    const { answer, mfa } = await (isSecond ? verify(code.trim()) : signIn({ kind, email: email.trim(), password, key: key?.trim() || undefined }))
    setBusy(false)
    if (mfa) setSecond(true)
    else if (answer.status !== 200) {
      // Too late for a code: from the beginning.
      if (isSecond && answer.status === 401 && !answer.body) setSecond(false)
      setProblem(problemOf(answer))
    }
  }

  const choose = (event) => setKind(event.target.value)
  return html`<main id="main" class="signin">
    <h1 tabindex="-1">Console</h1>
    ${SAID[why()] && html`<p class="note" role="status">${SAID[why()]}</p>`}
    <form ref=${form} class="form" onSubmit=${submit} aria-busy=${isBusy ? 'true' : 'false'}>
      <${Problem} problem=${problem} />
      ${isSecond ? html`
        <div class="field"><label for="code">Code</label>
        <input id="code" name="code" autocomplete="one-time-code" spellcheck="false" required minlength="6" maxlength="32" aria-describedby="code-about" />
        <p class="about" id="code-about">The six digits that your app shows, or one of your recovery codes.</p></div>
        <p class="row"><button disabled=${isBusy}>Go on</button><button type="button" class="other" onClick=${() => setSecond(false)}>Back</button></p>`
    : html`
        <fieldset class="field plain"><legend>Sign in as</legend>
          <label class="choice"><input type="radio" name="kind" value="team" checked=${kind === 'team'} onChange=${choose} /> member of a tenant's team</label>
          <label class="choice"><input type="radio" name="kind" value="user" checked=${kind === 'user'} onChange=${choose} /> administrator of the product</label>
        </fieldset>
        <div class="field"><label for="email">Email</label><input id="email" name="email" type="email" autocomplete="username" required /></div>
        <div class="field"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required /></div>
        ${kind === 'user' && html`<div class="field"><label for="key">Public key <span class="faint">(of another than the default tenant)</span></label><input id="key" name="key" autocomplete="off" spellcheck="false" placeholder="pk_live_…" /></div>`}
        <p class="row"><button disabled=${isBusy}>${isBusy ? 'One moment …' : 'Sign in'}</button></p>`}
    </form>
    <p class="faint">The session is kept in this browser's memory alone, and is gone with its last tab.</p>
  </main>`
}
