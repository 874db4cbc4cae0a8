// The product's users: who they are, where they are signed in and by what, and acting as one.
import { callOperation } from '../api/call.js'
import { mayCall } from '../api/document.js'
import { confirm, Dialog, reveal } from '../parts/dialog.js'
import { Form } from '../parts/form.js'
import { html, useState } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { resource } from '../parts/resource.js'
import { href } from '../parts/router.js'
import { say } from '../parts/say.js'
import { Table } from '../parts/table.js'
import { Facts } from '../parts/values.js'

const nameOf = (row) => row.display_name ?? row.full_name ?? row.email ?? row.sub ?? row.id
const KINDS = { password: 'password', identity: 'another service', passkey: 'passkey', second_factor: 'second factor' }

// Rows that are all here, without a search of their own.
const few = (rows) => ({ rows, form: { sorts: [] }, isLoading: false })
const stay = () => {}

// Ask whether it is meant, do it, and say so; what went wrong is said where the question was.
async function act({ operation, path, title, text, action, danger = true, said }, reload) {
  if (!await confirm({ title, text, action, danger })) return
  const answer = await callOperation(operation, { path })
  if (!answer.ok) {
    const isOld = answer.problem.code === 'RECENT_SIGN_IN_REQUIRED'
    await confirm({ title: 'That did not work', text: isOld ? 'This is for who has signed in within the last minutes: sign out, and in again.' : `${answer.problem.message} (${answer.problem.code})`, action: 'Understood' })
    return
  }
  say(said)
  reload()
}

function Sessions({ user }) {
  const path = { user_id: user.id }
  return html`<h2>Sessions</h2>
    <${Load} id="list_platform_dashboard_user_sessions" path=${path}>${({ sessions }, reload) => html`
      <${Table} caption="Sessions" list=${few(sessions)} state=${{}} change=${stay} empty="The user is signed in nowhere."
        columns=${[
    { key: 'method', main: true, show: (method, row) => (row.impersonator ? `${method} by ${row.impersonator}` : method) },
    { key: 'device' },
    { key: 'ip', label: 'address' },
    { key: 'last_seen_at', label: 'last seen', as: 'ago' },
    { key: 'created_at', label: 'since', as: 'datetime', wide: true },
  ]}
        actions=${(row) => [{
    label: 'End', danger: true, run: () => act({
      operation: 'revoke_platform_dashboard_user_session', path: { ...path, session_id: row.id }, title: 'End the session?', action: 'End the session',
      text: 'Whoever is signed in there has to sign in again.', said: 'The session has ended.',
    }, reload),
  }]} />
      ${sessions.length > 1 && html`<p><button type="button" class="other" onClick=${() => act({
    operation: 'revoke_platform_dashboard_user_sessions', path, title: 'End all sessions?', action: 'End all', text: `${nameOf(user)} is signed out everywhere.`, said: 'All sessions have ended.',
  }, reload)}>End all sessions</button></p>`}`}<//>`
}

function SignInMethods({ user }) {
  const path = { user_id: user.id }
  return html`<h2>Ways to sign in</h2>
    <${Load} id="list_platform_dashboard_user_sign_in_methods" path=${path}>${({ sign_in_methods: methods }, reload) => html`
      <${Table} caption="Ways to sign in" list=${few(methods)} state=${{}} change=${stay} empty="There is none: the user chooses a password by a mail."
        columns=${[
    { key: 'kind', main: true, show: (kind) => KINDS[kind] },
    { key: 'name', show: (name, row) => (row.kind === 'second_factor' ? `${row.recovery_codes} recovery codes left` : name ?? '') },
    { key: 'created_at', label: 'since', as: 'date' },
    { key: 'last_used_at', label: 'last used', as: 'ago' },
  ]}
        actions=${(row) => (row.kind === 'identity' ? [] : [{
    label: 'Take away', danger: true, run: () => act({
      operation: 'remove_platform_dashboard_user_sign_in_method', path: { ...path, sign_in_method: row.id }, title: `Take the ${KINDS[row.kind]} away?`, action: 'Take it away',
      text: `${nameOf(user)} does not sign in with it any more, and gets a mail that says so.`, said: 'It is taken away.',
    }, reload),
  }])} />`}<//>`
}

// The reason is the audit log's, and the user's to read.
function ActAs({ user }) {
  const [isOpen, setOpen] = useState(false)
  const done = async ({ token }) => {
    setOpen(false)
    await reveal({
      title: `A token of ${nameOf(user)}`, secret: token,
      text: 'It is good for an hour, and what is changed with it is put down under both names. Sign in with it where your product takes a token.',
    })
  }
  return html`<button type="button" class="other" onClick=${() => setOpen(true)}>Act as this user</button>
    ${isOpen && html`<${Dialog} title=${`Act as ${nameOf(user)}`} onClose=${() => setOpen(false)}>
      <p>${nameOf(user)} gets a mail with the reason, and sees the session among their own.</p>
      <${Form} id="start_platform_dashboard_impersonation" path=${{ user_id: user.id }} action="Act as this user" onDone=${done} />
      <p><button type="button" class="other" onClick=${() => setOpen(false)}>Cancel</button></p>
    <//>`}`
}

function Detail({ id }) {
  return html`<p><a href=${href('users')}>All users</a></p>
    <${Load} id="get_platform_dashboard_user" path=${{ user_id: id }}>${(user, reload) => html`
      <h1 tabindex="-1">${nameOf(user)}</h1>
      <${Facts} row=${user} columns=${[
    { key: 'email', show: (email) => email && `${email}${user.is_email_verified ? '' : ', not confirmed'}` },
    { key: 'sub', label: 'id in tokens', as: 'code' },
    { key: 'id', as: 'code' },
    { key: 'role' },
    { key: 'is_active', label: 'may sign in', as: 'yes' },
    { key: 'locale', label: 'language' },
    { key: 'organizations', show: (those) => those.map((one) => `${one.name} (${one.role})`).join(', ') || 'none' },
    { key: 'last_login_at', label: 'last sign-in', as: 'ago' },
    { key: 'created_at', label: 'since', as: 'datetime' },
  ]} />
      ${mayCall('deactivate_platform_dashboard_user') && html`<p class="row">
        ${user.is_active && html`<${ActAs} user=${user} />`}
        ${user.is_active
    ? html`<button type="button" class="danger" onClick=${() => act({ operation: 'deactivate_platform_dashboard_user', path: { user_id: id }, title: 'Deactivate the user?', action: 'Deactivate', text: `${nameOf(user)} is signed out everywhere, and is not let in.`, said: 'The user is deactivated.' }, reload)}>Deactivate</button>`
    : html`<button type="button" onClick=${() => act({ operation: 'activate_platform_dashboard_user', path: { user_id: id }, title: 'Let the user in again?', action: 'Let in', danger: false, text: `${nameOf(user)} may sign in again.`, said: 'The user may sign in.' }, reload)}>Let in again</button>`}
      </p>
      <${Sessions} key=${`s ${user.updated_at}`} user=${user} />
      <${SignInMethods} user=${user} />`}`}<//>`
}

export const users = resource({
  path: 'users', title: 'Users', group: 'People',
  about: html`Who signs in to your product. A search finds what an address, its domain, a name or a last name begins with.`,
  list: ['list_platform_dashboard_users', 'list_app_users'],
  name: nameOf,
  columns: [
    { key: 'display_name', label: 'name', main: true, sort: false, of: nameOf, show: (name, row) => (row.sub ? html`<a href=${href('users', row.id)}>${name}</a>` : name) },
    { key: 'email' },
    { key: 'role', sort: false },
    { key: 'is_active', label: 'state', sort: false, of: (row) => (row.is_active ? 'active' : 'deactivated'), as: 'state' },
    { key: 'last_login_at', label: 'last sign-in', as: 'ago', sort: false, wide: true },
    { key: 'created_at', label: 'since', as: 'date' },
  ],
  empty: 'Nobody has signed up yet.',
  actions: [
    {
      operation: ['deactivate_platform_dashboard_user', 'deactivate_app_user'], label: 'Deactivate', title: 'Deactivate the user?', danger: true, when: (row) => row.is_active,
      text: (row) => `${nameOf(row)} is signed out everywhere, and is not let in.`, said: 'The user is deactivated.',
    },
    { operation: ['activate_platform_dashboard_user', 'activate_app_user'], label: 'Let in', when: (row) => !row.is_active, said: 'The user may sign in.' },
  ],
  detail: Detail,
})
