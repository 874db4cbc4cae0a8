// The page on which a user picks a workspace (GET /api/v1/workspace-selector).  The session is the one that
// the TypeScript client keeps; a token that has run out is renewed as the client does it.
//
// What people wrote is put in as text, never as markup.
const place = 'ashlar.session'
const main = document.querySelector('main')
const what = document.querySelector('.what')
const result = document.querySelector('[role=status]')

const kept = () => {
  try {
    return JSON.parse(localStorage.getItem(place))
  } catch {
    return null
  }
}

// As the client has it (clients/typescript/src/session.ts).
const keep = ({ access_token, refresh_token, expires_in }) =>
  localStorage.setItem(place, JSON.stringify({ ...kept(), access_token, ...(refresh_token && { refresh_token }), renew_at: Date.now() + expires_in * 1000 - Math.min(60_000, expires_in * 500) }))

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

// { ok, status, body }; status 0: nobody answers.
async function ask(method, path, body, bearer) {
  try {
    const headers = { ...(body && { 'Content-Type': 'application/json' }), ...(bearer && { Authorization: `Bearer ${bearer}` }) }
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) })
    return { ok: answer.ok, status: answer.status, body: await answer.json() }
  } catch {
    return { ok: false, status: 0, body: {} }
  }
}

// With the session's token; one that has run out is renewed once.
async function mine(method, path, body) {
  const answer = await ask(method, path, body, kept()?.access_token)
  if (answer.status !== 401 || !kept()?.refresh_token)
    return answer
  const renewed = await ask('POST', '/api/v1/auth/refresh', { refresh_token: kept().refresh_token })
  if (!renewed.ok)
    return answer
  keep(renewed.body)
  return ask(method, path, body, kept().access_token)
}

const complain = ({ status, body }) => {
  result.textContent = status && status < 500 ? String(body.detail ?? '') : 'The server cannot be reached at the moment. Try again in a minute.'
}

function input(label, properties) {
  return element('label', {}, label, element('input', { required: true, ...properties }))
}

// A form, whose send gets what was filled in.
function form(inputs, button, send) {
  const submit = element('button', {}, button)
  const made = element('form', {}, ...inputs, submit)
  made.addEventListener('submit', async (event) => {
    event.preventDefault()
    submit.disabled = true
    result.textContent = ''
    await send(Object.fromEntries(new FormData(made)))
    submit.disabled = false
  })
  what.replaceChildren(made)
}

async function signedIn(answer) {
  if (!answer.ok)
    return complain(answer)
  if (answer.body.mfa_required)
    return form([input('Code of your authenticator app, or a recovery code', { name: 'code', autocomplete: 'one-time-code' })], 'Go on',
      async ({ code }) => signedIn(await ask('POST', '/api/v1/auth/mfa/verify', { mfa_token: answer.body.mfa_token, code })))
  keep(answer.body)
  return show()
}

function signIn() {
  form([
    input('Address', { name: 'email', type: 'email', autocomplete: 'username' }),
    input('Password', { name: 'password', type: 'password', autocomplete: 'current-password' }),
  ], 'Sign in', async (filled) => signedIn(await ask('POST', '/api/v1/auth/login', filled)))
}

async function show() {
  const answer = kept() ? await mine('GET', '/api/v1/workspaces') : { status: 401 }
  if (answer.status === 401)
    return signIn()
  if (!answer.ok)
    return complain(answer)
  const { workspaces, current_workspace_id: current } = answer.body
  what.replaceChildren(...workspaces.map(({ id, name }) => {
    const button = element('button', { type: 'button', className: id === current ? '' : 'other' }, name)
    button.addEventListener('click', async () => {
      button.disabled = true
      const switched = await mine('POST', '/api/v1/workspaces/switch', { workspace_id: id })
      button.disabled = false
      if (!switched.ok)
        return complain(switched)
      keep(switched.body)
      location.assign(main.dataset.returnTo)
    })
    return element('p', {}, button)
  }))
  if (!workspaces.length)
    result.textContent = 'You are in no workspace yet.'
}

show()
