// The tenant's settings: its name and brand, signing in, providers, issuers that are trusted.
import { mayCall } from '../api/document.js'
import { Form } from '../parts/form.js'
import { html } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { resource } from '../parts/resource.js'
import { say } from '../parts/say.js'
import { Facts } from '../parts/values.js'

const PARTS = [
  ['Brand', ['name', 'support_email', 'email_from_name', 'logo_url', 'brand_color']],
  ['Signing in', ['email_verification_required', 'refresh_token_rotation', 'webauthn_rp_id', 'default_plan_id']],
  ['Pages that mails lead to', ['verification_url', 'password_reset_url', 'invitation_url']],
]

// Made anew where what is in it has changed, and only there: saving one part leaves what is being written in another.
function Part({ title, fields, data, etag, reload }) {
  return html`<section><h2>${title}</h2>
    ${mayCall('update_platform_tenant_settings')
    ? html`<${Form} key=${JSON.stringify(fields.map((name) => data[name]))} id="update_platform_tenant_settings" values=${data} fields=${fields} headers=${etag ? { 'If-Match': etag } : {}} action=${`Save ${title.toLowerCase()}`} onDone=${() => { say('The settings are saved.'); reload() }} />`
    : html`<${Facts} row=${data} columns=${fields.map((key) => ({ key }))} />`}
  </section>`
}

function Provider({ one, reload }) {
  const id = 'update_platform_oauth_provider'
  return html`<section><h2>${one.name}</h2>
    <p>To be entered there: <code>${one.callback_url}</code></p>
    ${mayCall(id)
    ? html`<${Form} key=${one.updated_at} id=${id} path=${{ provider: one.provider }} values=${one} preset=${{ is_enabled: one.is_enabled }} labels=${{ is_enabled: 'users may sign in with it' }} action=${`Save ${one.name}`}
        onDone=${() => { say('The provider is saved.'); reload() }} />`
    : html`<${Facts} row=${one} columns=${[{ key: 'is_enabled', as: 'on', label: 'state' }, { key: 'client_id' }, { key: 'redirect_uris' }]} />`}
  </section>`
}

const View = () => html`<h1 tabindex="-1">Settings</h1>
  <${Load} id="get_platform_tenant_settings">${(data, reload, { headers }) => html`
    <p class="lead">Of <strong>${data.name}</strong>, <code>${data.slug}</code>.</p>
    ${PARTS.map(([title, fields]) => html`<${Part} key=${title} title=${title} fields=${fields} data=${data} etag=${headers.etag} reload=${reload} />`)}
    ${data.oauth_providers.map((one) => html`<${Provider} key=${one.provider} one=${one} reload=${reload} />`)}`}<//>`

export const settings = { path: 'settings', title: 'Settings', group: 'Settings', needs: 'get_platform_tenant_settings', View }

export const issuers = resource({
  path: 'issuers', title: 'Issuers', group: 'Settings',
  about: html`Other people’s tokens that are taken here: <a href="/identity-provider.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_issuers',
  columns: [
    { key: 'name', main: true },
    { key: 'issuer', as: 'code' },
    { key: 'is_enabled', label: 'state', as: 'on' },
    { key: 'max_role', label: 'at most', wide: true },
    { key: 'keys_fetched_at', label: 'keys fetched', as: 'ago', wide: true },
    { key: 'keys_failure', label: 'what failed', wide: true },
  ],
  empty: 'Only tokens of Ashlar’s own are taken.',
  create: { operation: 'create_platform_issuer', label: 'Trust an issuer', said: 'The issuer is trusted.' },
  update: { operation: 'update_platform_issuer' },
  remove: { operation: 'delete_platform_issuer', title: 'Trust it no more?', text: (row) => `Tokens of ${row.issuer} are refused from the next request on.`, said: 'It is trusted no more.' },
})
