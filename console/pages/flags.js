// Feature flags, and who gets what by each: also by one that is off, as if it were on.
import { firstOf, mayCall } from '../api/document.js'
import { Form } from '../parts/form.js'
import { html, useState } from '../parts/html.js'
import { Load } from '../parts/load.js'
import { Resource, resource } from '../parts/resource.js'
import { href } from '../parts/router.js'
import { Facts } from '../parts/values.js'

const LIST = ['list_platform_dashboard_flags', 'list_app_feature_flags']
const FORM = ['name', 'description', 'flag_type', 'is_enabled', 'percentage', 'user_ids', 'plans']
const LABELS = { flag_type: 'for whom', is_enabled: 'switched on', percentage: 'how many percent', user_ids: 'users', plans: 'plans' }

const whom = (row) => ({
  boolean: 'everybody',
  percentage: `${row.percentage} % of all users`,
  user_list: `${row.user_ids.length} ${row.user_ids.length === 1 ? 'user' : 'users'}`,
  plan_based: `who has ${row.plans.join(' or ')}`,
})[row.flag_type]

const WHY = {
  disabled: 'the flag is off', boolean: 'it is on for everybody', percentage_rollout: 'within the percentage', not_in_percentage: 'beyond the percentage',
  user_list: 'named in it', not_in_user_list: 'not named in it', plan: 'by the plan', not_in_plans: 'by the plan',
}

const users = {
  path: 'flags', title: 'Who gets it',
  list: 'list_platform_dashboard_flag_users', name: (row) => row.sub,
  columns: [
    { key: 'display_name', label: 'name', main: true, of: (row) => row.display_name ?? row.email ?? row.sub, show: (name, row) => html`<a href=${href('users', row.id)}>${name}</a>` },
    { key: 'email', wide: true },
    { key: 'is_enabled', label: 'is', as: 'on' },
    { key: 'reason', label: 'because', of: (row) => WHY[row.reason] },
  ],
  empty: 'There is no user yet.',
}

// An administrator of the product asks for one user.
function Check({ flag }) {
  const [found, set] = useState(null)
  return html`<${Form} id="check_app_feature_flag" path=${{ flag: flag.key }} asksQuery action="Check" onDone=${set} />
    <p role="status">${found && `The flag is ${found.is_enabled ? 'on' : 'off'}: ${WHY[found.reason]}.`}</p>`
}

function Detail({ id, route }) {
  return html`<p><a href=${href('flags')}>All flags</a></p>
    <${Load} id=${firstOf(LIST)}>${({ items }) => {
    const flag = items.find((one) => one.id === id)
    return flag ? html`<h1 tabindex="-1">${flag.name}</h1>
      <${Facts} row=${flag} columns=${[{ key: 'key', as: 'code' }, { key: 'is_enabled', label: 'is', as: 'on' }, { key: 'flag_type', label: 'for', of: whom }, { key: 'description' }, { key: 'created_at', label: 'since', as: 'date' }]} />
      <h2>Who gets it</h2>
      ${mayCall(users.list) ? html`<p>What the flag decides for each user, the newest first; with “as enabled: true” for whom it would be on if it were switched on. A percentage draws the same
        users every time, and others for another flag.</p>
        <${Resource} page=${users} path=${{ flag_id: id }} route=${route} />` : html`<${Check} flag=${flag} />`}`
      : html`<h1 tabindex="-1">No such flag</h1><p>It may have been deleted.</p>`
  }}<//>`
}

export const flags = resource({
  path: 'flags', title: 'Feature flags', group: 'Product',
  about: html`What is switched on for whom, without a new version: <a href="/administration.html#feature-flags" target="_blank" rel="noopener">the guide</a>.`,
  list: LIST,
  columns: [
    { key: 'name', main: true, show: (name, row) => html`<a href=${href('flags', row.id)}>${name}</a>` },
    { key: 'key', as: 'code' },
    { key: 'is_enabled', label: 'is', as: 'on' },
    { key: 'flag_type', label: 'for', of: whom },
    { key: 'created_at', label: 'since', as: 'date', wide: true },
  ],
  empty: 'There is no flag yet.',
  create: { operation: ['create_platform_dashboard_flag', 'create_app_feature_flag'], label: 'Make a flag', fields: ['key', ...FORM], labels: LABELS, said: 'The flag is made.' },
  update: { operation: ['update_platform_dashboard_flag', 'update_app_feature_flag'], fields: FORM, labels: LABELS },
  remove: { operation: ['delete_platform_dashboard_flag', 'delete_app_feature_flag'], title: 'Delete the flag?', text: (row) => `“${row.name}” is off for everybody who asks for ${row.key}.`, said: 'The flag is deleted.' },
  detail: Detail,
})
