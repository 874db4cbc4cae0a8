import { current } from '../session/session.js'
import { html } from '../parts/html.js'
import { resource } from '../parts/resource.js'

const isMe = (row) => row.id === current().id
const nameOf = (row) => row.display_name ?? row.email

export const team = resource({
  path: 'team', title: 'Team', group: 'People',
  about: html`Who runs this tenant. An owner may do everything, an admin all but change owners, a member looks.`,
  list: 'list_platform_team_members',
  name: nameOf,
  columns: [
    { key: 'display_name', label: 'name', main: true, of: nameOf },
    { key: 'email' },
    { key: 'role' },
    { key: 'status', as: 'state' },
    { key: 'has_second_factor', label: 'second factor', as: 'yes' },
    { key: 'last_login_at', label: 'last sign-in', as: 'ago' },
    { key: 'joined_at', label: 'joined', as: 'date', wide: true },
  ],
  create: { operation: 'invite_platform_team_member', label: 'Invite somebody', action: 'Send the invitation', said: 'The invitation is on its way.' },
  update: {
    operation: 'update_platform_team_member', when: (row) => !isMe(row) && row.status !== 'invited', labels: { is_active: 'may sign in' },
    values: (row) => ({ ...row, is_active: row.status !== 'deactivated' }),
  },
  actions: [{
    operation: 'remove_platform_team_second_factor', label: 'Take second factor', title: 'Take the second factor away?', danger: true, when: (row) => row.has_second_factor && !isMe(row),
    text: (row) => `${nameOf(row)} signs in with the password alone, until they turn it on again.`, said: 'The second factor is taken away.',
  }],
  remove: {
    operation: 'remove_platform_team_member', label: 'Remove', title: 'Remove from the team?', when: (row) => !isMe(row),
    text: (row) => (row.status === 'invited' ? `The invitation of ${row.email} is withdrawn.` : `${nameOf(row)} is signed out everywhere, and has no way in any more.`),
    said: 'Removed.',
  },
})
