import { html } from '../parts/html.js'
import { resource } from '../parts/resource.js'

export const agents = resource({
  path: 'agents', title: 'Agents', group: 'AI',
  about: html`Models with a task, tools and knowledge: <a href="/agents.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_dashboard_agents',
  columns: [
    { key: 'name', main: true },
    { key: 'description' },
    { key: 'is_active', label: 'state', as: 'on' },
    { key: 'model', as: 'code' },
    { key: 'available_to_end_users', label: 'for users', wide: true },
    { key: 'created_at', label: 'made', as: 'date', wide: true },
  ],
  empty: 'There is no agent yet.',
  create: { operation: 'create_platform_dashboard_agent', label: 'Make an agent', said: 'The agent is made.' },
  update: { operation: 'update_platform_dashboard_agent' },
  remove: { operation: 'delete_platform_dashboard_agent', title: 'Delete the agent?', text: (row) => `“${row.name}” answers nobody any more.`, said: 'The agent is deleted.' },
})

export const externalAgents = resource({
  path: 'external-agents', title: 'Agents elsewhere', group: 'AI',
  about: 'Agents that run somewhere else, and tell what they used.',
  list: 'list_platform_dashboard_external_agents',
  columns: [
    { key: 'name', main: true },
    { key: 'platform' },
    { key: 'is_active', label: 'state', as: 'on' },
    { key: 'calls_count', label: 'calls' },
    { key: 'last_call_at', label: 'last call', as: 'ago' },
  ],
  create: { operation: 'create_platform_dashboard_external_agent', label: 'Add one', said: 'It is added.' },
  update: { operation: 'update_platform_dashboard_external_agent' },
})

export const aiAccounts = resource({
  path: 'ai-accounts', title: 'Accounts at models', group: 'AI',
  about: 'The tenant’s own account at a provider of models. What is asked for the tenant is asked there alone.',
  list: 'list_platform_ai_accounts',
  id: (row) => row.provider, name: (row) => row.provider,
  columns: [
    { key: 'provider', main: true },
    { key: 'is_enabled', label: 'state', as: 'on' },
    { key: 'base_url', label: 'address', as: 'code' },
    { key: 'api_key_last4', label: 'key ends in', as: 'code' },
    { key: 'updated_at', label: 'changed', as: 'ago', wide: true },
  ],
  empty: 'Models are asked by the installation’s account.',
  create: { operation: 'put_platform_ai_account', label: 'Set up an account', said: 'The account is set up.' },
  update: { operation: 'put_platform_ai_account' },
  remove: { operation: 'delete_platform_ai_account', title: 'Remove the account?', text: (row) => `What was asked at ${row.provider} is asked by the installation’s account again.`, said: 'The account is removed.' },
})
