import { html } from '../parts/html.js'
import { resource } from '../parts/resource.js'

const whose = (row) => row.user_id ?? row.organization_id

export const usage = resource({
  path: 'usage', title: 'Usage by day', group: 'Money',
  about: html`What was used, a line for each day, metric and user, the newest first: <a href="/usage.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_dashboard_usage_days',
  columns: [
    { key: 'metric', main: true, as: 'words' },
    { key: 'date', as: 'date' },
    { key: 'quantity' },
    { key: 'count', wide: true },
    { key: 'category', wide: true },
    { key: 'organization_id', label: 'organization', as: 'code', wide: true },
    { key: 'user_id', label: 'user', as: 'code', wide: true },
  ],
  empty: 'Nothing was used yet.',
})

export const usageLimits = resource({
  path: 'usage-limits', title: 'Usage limits', group: 'Money',
  about: 'How much one organization, or one user, may use in a month, where that is not what the plan says.',
  list: 'list_platform_dashboard_usage_limits',
  id: (row) => row.metric, name: (row) => row.metric,
  columns: [
    { key: 'metric', main: true, as: 'words' },
    { key: 'max', label: 'at most' },
    { key: 'whose', of: whose, as: 'code' },
    { key: 'updated_at', label: 'changed', as: 'ago', wide: true },
  ],
  empty: 'Everybody has what their plan says.',
  create: { operation: 'put_platform_dashboard_usage_limit', label: 'Set a limit', asksQuery: true, said: 'The limit is set.' },
})
