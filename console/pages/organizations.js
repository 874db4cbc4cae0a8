// Organizations: who is in one and as what, and who is invited.
import { mayCall } from '../api/document.js'
import { html } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { Resource, resource } from '../parts/resource.js'
import { href, setQuery } from '../parts/router.js'
import { Facts } from '../parts/values.js'

const nameOf = (row) => row.display_name ?? row.email ?? row.sub

const members = {
  path: 'organizations', title: 'Members',
  list: 'list_platform_dashboard_organization_members', id: (row) => row.user_id, name: nameOf,
  columns: [
    { key: 'display_name', label: 'name', main: true, of: nameOf, show: (name, row) => html`<a href=${href('users', row.user_id)}>${name}</a>` },
    { key: 'email' },
    { key: 'role', as: 'words' },
    { key: 'is_active', label: 'state', of: (row) => (row.is_active ? 'active' : 'deactivated'), as: 'state' },
    { key: 'joined_at', label: 'joined', as: 'date', wide: true },
  ],
  empty: 'Nobody is in it any more.',
  update: { operation: 'update_platform_dashboard_organization_member', labels: { is_active: 'is let in' } },
  remove: {
    operation: 'remove_platform_dashboard_organization_member', label: 'Remove', title: 'Remove from the organization?', said: 'Removed.',
    text: (row) => `${nameOf(row)} reaches nothing of it any more; the account stays.`,
  },
}

const invitations = {
  path: 'organizations', title: 'Invitations',
  list: 'list_platform_dashboard_organization_invitations', name: (row) => row.email,
  columns: [
    { key: 'email', main: true },
    { key: 'role', as: 'words' },
    { key: 'status', as: 'state' },
    { key: 'expires_at', label: 'good until', as: 'datetime', wide: true },
    { key: 'created_at', label: 'sent', as: 'ago' },
  ],
  empty: 'Nobody is invited.',
  create: { operation: 'invite_platform_dashboard_organization_member', label: 'Invite somebody', action: 'Send the invitation', said: 'The invitation is on its way.' },
  actions: [{
    operation: 'resend_platform_dashboard_organization_invitation', label: 'Send again', when: (row) => row.status === 'pending',
    title: 'Send the invitation again?', text: (row) => `${row.email} gets a fresh link, for another 7 days; the one from before stops working.`, said: 'The invitation is on its way.',
  }],
  remove: { operation: 'cancel_platform_dashboard_organization_invitation', label: 'Withdraw', title: 'Withdraw the invitation?', text: (row) => `The link that ${row.email} has stops working.`, said: 'The invitation is withdrawn.' },
}

// A page has two lists, of which each has what it is asked for in the address: the second one behind a prefix.
const second = (query) => Object.fromEntries(Object.entries(query).filter(([name]) => name.startsWith('i-')).map(([name, value]) => [name.slice(2), value]))
const first = (query) => Object.fromEntries(Object.entries(query).filter(([name]) => !name.startsWith('i-')))
const keepSecond = (changed) => setQuery(Object.fromEntries(Object.entries(changed).map(([name, value]) => [`i-${name}`, value])))

function Detail({ id, route }) {
  const path = { organization_id: id }
  return html`<p><a href=${href('organizations')}>All organizations</a></p>
    <${Load} id="get_platform_dashboard_organization" path=${path}>${(row) => html`
      <h1 tabindex="-1">${row.name}</h1>
      <${Facts} row=${row} columns=${[
    { key: 'slug', as: 'code' },
    { key: 'id', as: 'code' },
    { key: 'status', as: 'state' },
    { key: 'description' },
    { key: 'member_count', label: 'members' },
    { key: 'owner_count', label: 'owners' },
    { key: 'created_at', label: 'since', as: 'datetime' },
  ]} />`}<//>
    <h2>Members</h2>
    <${Resource} page=${members} path=${path} route=${{ ...route, query: first(route.query) }} />
    ${mayCall(invitations.list) && html`<h2>Invitations</h2>
      <${Resource} page=${invitations} path=${path} route=${{ ...route, query: second(route.query) }} keep=${keepSecond} />`}`
}

export const organizations = resource({
  path: 'organizations', title: 'Organizations', group: 'People',
  about: html`Your customers, as far as they are more than one person. A search finds what a name begins with, or a slug: <a href="/organizations.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_dashboard_organizations',
  columns: [
    { key: 'name', main: true, show: (name, row) => html`<a href=${href('organizations', row.id)}>${name}</a>` },
    { key: 'slug', as: 'code' },
    { key: 'member_count', label: 'members' },
    { key: 'status', as: 'state', wide: true },
    { key: 'created_at', label: 'since', as: 'date' },
  ],
  empty: 'There is none yet.',
  update: { operation: 'update_platform_dashboard_organization' },
  detail: Detail,
})
