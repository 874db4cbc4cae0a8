import { reveal } from '../parts/dialog.js'
import { html } from '../parts/html.js'
import { resource } from '../parts/resource.js'

const once = (key) => key.type === 'secret' && reveal({
  title: `The key “${key.name}”`,
  text: 'This is the only time that it is shown. Keep it where your server’s other secrets are, and never in a page or an app.',
  secret: key.key,
})

export const apiKeys = resource({
  path: 'api-keys', title: 'API keys', group: 'Build',
  about: html`A key says which tenant a call is for. A public one is for the pages of its origins, a secret one for your servers: <a href="/api-keys.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_dashboard_keys',
  columns: [
    { key: 'name', main: true },
    { key: 'type', as: 'words' },
    { key: 'prefix', label: 'key', show: (prefix, row) => html`<code>${row.type === 'public' ? row.key : `${prefix}…`}</code>` },
    { key: 'state', of: (row) => (row.revoked_at ? 'revoked' : row.is_active ? 'active' : 'suspended'), as: 'state' },
    { key: 'allowed_origins', label: 'origins', wide: true },
    { key: 'last_used_at', label: 'last used', as: 'ago' },
    { key: 'created_at', label: 'made', as: 'date', wide: true },
  ],
  empty: 'There is no key yet. Make a public one for your pages, or a secret one for your server.',
  create: { operation: 'create_platform_dashboard_key', label: 'Make a key', done: once, said: 'The key is made.', labels: { allows_writes: 'assistants may change things with it' } },
  update: { operation: 'update_platform_dashboard_key', when: (row) => !row.revoked_at, labels: { is_active: 'active', allows_writes: 'assistants may change things with it' } },
  remove: {
    operation: 'revoke_platform_dashboard_key', label: 'Revoke', title: 'Revoke the key?', when: (row) => !row.revoked_at,
    text: (row) => `“${row.name}” is refused from the next request on, for ever. Whatever still uses it stops working.`,
    said: 'The key is revoked.',
  },
})
