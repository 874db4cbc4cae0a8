import { html } from '../parts/html.js'
import { resource } from '../parts/resource.js'
import { money } from '../parts/values.js'

const price = (value, row) => (row.is_free ? 'free' : money(value, row.currency))

export const plans = resource({
  path: 'plans', title: 'Plans', group: 'Money',
  about: html`What can be subscribed to, and what each of them includes: <a href="/charge.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_dashboard_plans',
  columns: [
    { key: 'name', main: true },
    { key: 'price_monthly', label: 'a month', show: price },
    { key: 'price_yearly', label: 'a year', show: price, wide: true },
    { key: 'is_active', label: 'state', as: 'on' },
    { key: 'subscriptions_count', label: 'subscriptions' },
    { key: 'max_messages_per_month', label: 'messages a month', wide: true },
    { key: 'features', wide: true },
  ],
  create: { operation: 'create_platform_dashboard_plan', label: 'Make a plan', said: 'The plan is made.' },
  update: { operation: 'update_platform_dashboard_plan', when: (row) => !row.is_global },
  actions: [{ operation: 'put_platform_plan_terms', load: 'get_platform_plan_terms', label: 'Terms', form: true, when: (row) => !row.is_global, said: 'The terms are saved.' }],
})

export const paymentAccounts = resource({
  path: 'payment-accounts', title: 'Payment accounts', group: 'Money',
  about: 'Where money arrives: the tenant’s own account at a provider of payments.',
  list: 'list_platform_payment_accounts',
  id: (row) => row.provider, name: (row) => row.provider,
  columns: [
    { key: 'provider', main: true },
    { key: 'is_enabled', label: 'state', as: 'on' },
    { key: 'account_id', label: 'account', as: 'code' },
    { key: 'is_live', label: 'live' },
    { key: 'secret_key_last4', label: 'key ends in', as: 'code' },
    { key: 'webhook_url', label: 'webhook', as: 'code', wide: true },
  ],
  create: { operation: 'put_platform_payment_account', label: 'Set up an account', said: 'The account is set up.' },
  update: { operation: 'put_platform_payment_account', said: 'The account is changed.' },
  remove: { operation: 'delete_platform_payment_account', title: 'Remove the account?', text: (row) => `Nobody can pay by ${row.provider} any more.`, said: 'The account is removed.' },
})
