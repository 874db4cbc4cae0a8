// The pages that mailed links open, all of them: the token tells what there is to
// do, and in whose name.  Programs that look through mails follow links, so opening
// one changes nothing: that takes a click.
//
// What people wrote is put in as text, never as markup.
import { words } from '/mailed-words.js'

const token = new URLSearchParams(location.search).get('token') ?? new URLSearchParams(location.hash.slice(1)).get('token')
const workspace = new URLSearchParams(location.search).get('workspace_id')
const isSignUp = /^\/sign-up(\.html)?$/.test(location.pathname)
const isUnsubscribe = /^\/unsubscribe(\.html)?$/.test(location.pathname)
const result = document.querySelector('[role=status]')
const what = document.querySelector('.what')

// It need not stay in the address bar, nor in what the browser remembers.
history.replaceState(null, '', location.pathname)

let say = words.en
let brand

// "de-AT" as the mails have it: in de, or else in English.
function speak(locale) {
  const language = String(locale).split('-')[0].toLowerCase()
  say = words[language] ?? words.en
  document.documentElement.lang = words[language] ? language : 'en'
}

const fill = (key, values = {}) => say[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '')

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

function heading(text) {
  document.querySelector('h1').textContent = text
  document.title = brand ? `${text} · ${brand.name}` : text
}

// Everything that there was to do is done, or cannot be.
function end(text) {
  what.replaceChildren()
  result.textContent = text
}

function dead() {
  heading(fill('gone'))
  end(fill('gone_do'))
}

// Black or white, whichever can be read on #rrggbb; as in the mails.
function readableOn(color) {
  const rgb = parseInt(color.slice(1), 16)
  return 299 * (rgb >> 16) + 587 * ((rgb >> 8) & 255) + 114 * (rgb & 255) > 150000 ? '#1c1c22' : '#ffffff'
}

function show(of) {
  brand = of
  const place = document.querySelector('.whose')
  place.textContent = brand.name
  if (brand.logo_url?.startsWith('https://')) {
    const logo = element('img', { alt: brand.name })
    logo.addEventListener('load', () => place.replaceChildren(logo))
    logo.src = brand.logo_url
  }
  if (/^#[0-9a-f]{6}$/i.test(brand.color ?? '')) {
    const { style } = document.documentElement
    style.setProperty('--brand', brand.color)
    style.setProperty('--on-brand', readableOn(brand.color))
  }
}

// { status, body }; status 0: nobody answers.
async function post(path, body, bearer) {
  try {
    const headers = { 'Content-Type': 'application/json', ...(bearer && { Authorization: `Bearer ${bearer}` }) }
    const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
    return { ok: answer.ok, status: answer.status, body: await answer.json() }
  } catch {
    return { ok: false, status: 0, body: {} }
  }
}

// Why it did not work, for people.
function complaint({ status, body }) {
  const { code, details } = body.error ?? {}
  const why = String(body.detail ?? '').replace(/\.$/, '')
  if (!status || status >= 500)
    return fill('unreachable')
  switch (code) {
    case 'RATE_LIMIT_EXCEEDED': return fill('later', { minutes: Math.ceil((details?.retry_after ?? 60) / 60) })
    case 'INVALID_CREDENTIALS': return fill('wrong')
    case 'INVALID_CODE': return fill('wrong_code')
    case 'ACCOUNT_INACTIVE': return fill('inactive')
    case 'VALIDATION_ERROR': return /password/.test(details?.field) ? fill('weak', { why }) : fill('failed', { why })
    default: return fill('failed', { why })
  }
}

const inputs = {
  company_name: (value) => ({ label: 'company', autocomplete: 'organization', maxLength: 255, required: true, value: value ?? '' }),
  full_name: (value) => ({ label: 'your_name', autocomplete: 'name', maxLength: 255, required: true, value: value ?? '' }),
  display_name: () => ({ label: 'your_name', autocomplete: 'name', maxLength: 100 }),
  email: (value) => ({ label: 'address', type: 'email', autocomplete: 'username', readOnly: true, value }),
  new_password: () => ({ label: 'new_password', type: 'password', autocomplete: 'new-password', required: true, isNew: true }),
  a_password: () => ({ label: 'a_password', name: 'password', type: 'password', autocomplete: 'new-password', required: true, isNew: true }),
  password: () => ({ label: 'your_password', type: 'password', autocomplete: 'current-password', required: true }),
  code: () => ({ label: 'code', autocomplete: 'one-time-code', inputMode: 'text', required: true }),
}

// A form of these inputs, { name: value }, and one button.  send gets what was filled
// in, and returns an answer that was refused, or nothing.
function form(names, button, send) {
  const made = element('form', {})
  for (const [kind, value] of Object.entries(names)) {
    const { label, isNew, ...properties } = inputs[kind](value)
    made.append(element('label', {}, fill(label), element('input', { name: kind, ...properties })))
    if (isNew)
      made.append(element('p', { className: 'note' }, fill('password_rule')))
  }
  const submit = element('button', {}, fill(button))
  made.append(submit)
  made.addEventListener('submit', async (event) => {
    event.preventDefault()
    submit.disabled = true
    result.textContent = ''
    const filled = Object.fromEntries([...new FormData(made)].filter(([, value]) => value !== ''))
    const refused = await send(filled)
    if (refused?.body.error?.code === 'TOKEN_INVALID')
      dead()
    else if (refused)
      result.textContent = complaint(refused)
    submit.disabled = false
  })
  return made
}

// A form that is posted as it is, and that was all.
function simple(names, button, path, done) {
  what.append(form(names, button, async (filled) => {
    const answer = await post(path, { token, ...filled })
    if (!answer.ok)
      return answer
    end(fill(done))
  }))
}

const paragraph = (...of) => what.append(element('p', {}, ...of))

// With tokens of the invited user, which are of no use for anything else here.
async function accept(tokens, names) {
  const answer = await post('/api/v1/auth/invitation/accept', { token }, tokens.access_token)
  await post('/api/v1/auth/logout', {}, tokens.access_token)
  if (!answer.ok && answer.body.error?.code !== 'CONFLICT')
    return answer
  end(fill(answer.ok ? 'accepted' : 'member', names))
}

function invitation({ invitation: of }) {
  const names = { organization: of.organization_name, by: of.invited_by, role: say.role[of.role] ?? of.role, email: of.email }
  heading(fill('invited', names))
  paragraph(fill(of.invited_by ? 'invited_by' : 'invited_anonymous', names), ' ', fill('invited_as', names))

  if (of.account === 'none') {
    paragraph(fill('register'))
    what.append(form({ email: of.email, display_name: '', a_password: '' }, 'register_do', async ({ display_name, password }) => {
      const answer = await post('/api/v1/auth/invitation/register', { token, password, display_name, locale: navigator.language })
      if (!answer.ok)
        return answer
      end(fill('accepted', names))
    }))
  } else if (of.account === 'password') {
    paragraph(fill('sign_in'))
    const signIn = form({ email: of.email, password: '' }, 'sign_in_do', async ({ password }) => {
      const answer = await post('/api/v1/auth/invitation/sign-in', { token, password })
      if (!answer.ok)
        return answer
      if (!answer.body.mfa_required)
        return accept(answer.body, names)
      signIn.replaceWith(form({ code: '' }, 'code_do', async ({ code }) => {
        const second = await post('/api/v1/auth/mfa/verify', { mfa_token: answer.body.mfa_token, code })
        return second.ok ? accept(second.body, names) : second
      }))
    })
    what.append(signIn)
  } else {
    paragraph(fill('elsewhere'))
    paragraph(element('code', {}, token))
  }

  const decline = element('button', { type: 'button', className: 'other' }, fill('decline_do'))
  decline.addEventListener('click', async () => {
    decline.disabled = true
    const answer = await post('/api/v1/auth/invitation/decline', { token })
    if (answer.ok)
      end(fill('declined'))
    else if (answer.body.error?.code === 'TOKEN_INVALID')
      dead()
    else
      result.textContent = complaint(answer)
    decline.disabled = false
  })
  what.append(decline)
}

const pages = {
  verify_email() {
    heading(fill('verify'))
    paragraph(fill('verify_why'))
    simple({}, 'verify_do', '/api/v1/auth/verify-email-with-token', 'verify_done')
  },
  reset_password() {
    heading(fill('reset'))
    simple({ new_password: '' }, 'reset_do', '/api/v1/auth/reset-password', 'reset_done')
  },
  email_change() {
    heading(fill('take_back'))
    paragraph(fill('take_back_why'))
    simple({ new_password: '' }, 'take_back_do', '/api/v1/auth/take-back-email', 'take_back_done')
  },
  team_reset() {
    heading(fill('team_reset'))
    simple({ new_password: '' }, 'reset_do', '/api/v1/tenant-auth/reset-password', 'team_reset_done')
  },
  team_invitation({ invitation: of }) {
    const names = { organization: of.organization_name, by: of.invited_by, role: say.role[of.role] ?? of.role, email: of.email }
    heading(fill('join_team'))
    paragraph(fill(of.invited_by ? 'join_team_by' : 'join_team_anonymous', names), ' ', fill('invited_as', names))
    simple({ email: of.email, display_name: '', a_password: '' }, 'join_team_do', '/api/v1/tenant-auth/accept-invitation', 'join_team_done')
  },
  activation({ invitation: of }) {
    const names = { organization: of.organization_name, email: of.email }
    heading(fill('activate', names))
    paragraph(fill('activate_why', names))
    what.append(form({ email: of.email, display_name: '', a_password: '' }, 'activate_do', async ({ display_name, password }) => {
      const answer = await post('/api/v1/auth/activate', { workspace_id: workspace, token, password, name: display_name })
      if (!answer.ok)
        return answer
      await post('/api/v1/auth/logout', {}, answer.body.access_token)
      end(fill('accepted', names))
    }))
  },
  invitation,
}

// Mail programs post to another link by themselves; this page is for people.
async function unsubscribe() {
  const path = `/api/v1/notifications/unsubscribe/${encodeURIComponent(token)}`
  let of
  try {
    const answer = await fetch(path)
    of = { ok: answer.ok, status: answer.status, body: await answer.json() }
  } catch {
    of = { ok: false, status: 0, body: {} }
  }
  if (!of.ok)
    return of.status === 400 || of.status === 422 ? dead() : end(complaint(of))
  const names = { workspace: of.body.workspace }
  heading(fill('unsubscribe', names))
  if (!of.body.email_enabled)
    return end(fill('unsubscribe_done'))
  paragraph(fill(of.body.event_type ? 'unsubscribe_one' : 'unsubscribe_all', names))
  what.append(form({}, 'unsubscribe_do', async () => {
    const answer = await post(path, {})
    if (!answer.ok)
      return answer
    end(fill('unsubscribe_done'))
  }))
}

// Who has paid makes an account and a workspace; the code is the link's token.
async function signUp() {
  const code = encodeURIComponent(token)
  let of
  try {
    const answer = await fetch(`/api/v1/auth/signup/stripe-invite/${code}`)
    of = { ok: answer.ok, status: answer.status, body: await answer.json() }
  } catch {
    of = { ok: false, status: 0, body: {} }
  }
  if (!of.ok)
    return [404, 409, 410, 422].includes(of.status) ? dead() : end(complaint(of))
  const { email, name, company_name, tier_name } = of.body
  heading(fill('sign_up'))
  paragraph(fill('sign_up_why', { plan: tier_name }))
  what.append(form({ email, full_name: name, company_name, a_password: '' }, 'sign_up_do', async ({ full_name, company_name: company, password }) => {
    const answer = await post('/api/v1/auth/signup/stripe-invite', { invite_code: token, password, name: full_name, company_name: company })
    if (!answer.ok)
      return answer
    await post('/api/v1/auth/logout', {}, answer.body.access_token)
    end(fill('accepted', { organization: answer.body.workspace.name }))
  }))
}

async function learn() {
  speak(navigator.language)
  if (!token) {
    heading(fill('incomplete'))
    end(fill('incomplete_do'))
    return
  }
  if (isUnsubscribe)
    return unsubscribe()
  if (isSignUp)
    return signUp()
  const answer = await post('/api/v1/auth/mailed-link', { token })
  if (answer.ok) {
    speak(answer.body.locale)
    show(answer.body.brand)
  }
  if (answer.ok && answer.body.status === 'pending')
    pages[answer.body.kind](answer.body)
  else if (answer.ok || answer.status === 400 || answer.status === 422)
    dead()
  else
    end(complaint(answer))
}

learn().finally(() => document.body.classList.add('open'))
