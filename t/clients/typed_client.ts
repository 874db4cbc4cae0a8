// A product's servers and pages, written against the types that npm's openapi-typescript makes of the reference: what
// typed.mjs compiles under "strict", and runs against a real server with npm's openapi-fetch.
import createClient, { type Middleware } from 'openapi-fetch'
import type { paths } from './schema.js'

export interface Server {
  url: string
  fetch: (request: Request) => Promise<Response>
  admin: string // a superadmin's token, of the default tenant
  key: string // a secret key of the default tenant
  hook: string // where webhooks may go
}

// Which operations were asked, and with a body.
export interface Seen {
  asked: string[]
  bodies: string[]
}

type Answer = { data?: unknown; error?: unknown; response: Response }

async function done<A extends Answer>(asked: Promise<A>): Promise<NonNullable<A['data']>> {
  const { data, error, response } = await asked
  if (!response.ok) throw new Error(`${response.status} of ${response.url}: ${JSON.stringify(error)}`)
  return data as NonNullable<A['data']>
}

function given<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`there is no ${what}`)
  return value
}

export async function run(server: Server): Promise<Seen> {
  const asked = new Set<string>()
  const bodies = new Set<string>()
  const note: Middleware = {
    onRequest({ request, schemaPath }) {
      const operation = `${request.method} ${schemaPath}`
      asked.add(operation)
      if (request.body) bodies.add(operation)
    },
  }

  function client(credentials: { token?: string; key?: string }) {
    const headers: Record<string, string> = {}
    if (credentials.token) headers['Authorization'] = `Bearer ${credentials.token}`
    if (credentials.key) headers['X-API-Key'] = credentials.key
    const api = createClient<paths>({ baseUrl: server.url, fetch: server.fetch, headers })
    api.use(note)
    return api
  }

  const nobody = client({})
  const who = { email: 'ada@example.com', password: 'Correct-Horse-7' }

  async function website(): Promise<void> {
    await done(nobody.POST('/api/v1/public/contact', { body: { name: 'Ada Lovelace', email: who.email, message: 'Can your engine weave patterns?', subject: 'An engine' } }))
    const { config } = await done(nobody.GET('/api/v1/public/contact/status'))
    given(config?.require_subject, 'setting of the form')
    await done(nobody.GET('/api/v1/public/health/ready'))
  }

  // A tenant, and what its team does on the dashboard.
  async function tenant() {
    const owner = { email: 'olive@acme.example', password: 'Correct-Horse-7' }
    const made = await done(nobody.POST('/api/v1/tenant-auth/register', { body: { ...owner, tenant_name: 'Acme', tenant_slug: 'acme', display_name: 'Olive' } }))
    const { access_token, refresh_token } = await done(nobody.POST('/api/v1/tenant-auth/login', { body: owner }))
    await done(nobody.POST('/api/v1/tenant-auth/refresh', { body: { refresh_token: given(refresh_token, 'refresh token of who has no second factor') } }))
    await done(nobody.POST('/api/v1/tenant-auth/forgot-password', { body: { email: owner.email } }))
    const team = client({ token: access_token })
    const me = await done(team.GET('/api/v1/tenant-auth/me'))
    if (me.tenant?.id !== made.tenant?.id) throw new Error('the tenant is another one')

    const settings = await done(team.PUT('/api/v1/dashboard/settings', { body: { email_from_name: 'Acme', brand_color: '#1a73e8', logo_url: null } }))
    if (settings.brand_color !== '#1a73e8') throw new Error('the colour is another one')
    await done(team.GET('/api/v1/dashboard/settings'))
    await done(team.PUT('/api/v1/dashboard/oauth-providers/{provider}', { params: { path: { provider: 'google' } }, body: { is_enabled: false, client_id: '1234.apps.googleusercontent.com' } }))

    const { key } = await done(team.POST('/api/v1/dashboard/api-keys', { body: { name: 'Server', type: 'secret' } }))
    const shown = await done(team.POST('/api/v1/dashboard/api-keys', { body: { name: 'Website', type: 'public', allowed_origins: ['https://app.acme.example'] } }))
    const key_id = given(shown.id, 'id of a key')
    await done(team.PUT('/api/v1/dashboard/api-keys/{key_id}', { params: { path: { key_id } }, body: { is_active: false } }))
    await done(team.DELETE('/api/v1/dashboard/api-keys/{key_id}', { params: { path: { key_id } } }))
    await done(team.GET('/api/v1/dashboard/api-keys', { params: { query: { include_revoked: true, limit: 10 } } }))

    const invited = await done(team.POST('/api/v1/dashboard/team/invitations', { body: { email: 'percy@acme.example', role: 'member' } }))
    const path = { member_id: given(invited.id, 'member') }
    await done(team.PUT('/api/v1/dashboard/team/{member_id}', { params: { path }, body: { role: 'admin' } }))
    await done(team.DELETE('/api/v1/dashboard/team/{member_id}', { params: { path } }))
    await done(team.GET('/api/v1/dashboard/team'))

    const hook = await done(team.POST('/api/v1/dashboard/webhooks', { body: { name: 'Billing', url: server.hook, events: ['user.created'], headers: { 'X-Team': 'billing' } } }))
    const webhook = { webhook_id: given(hook.id, 'webhook') }
    await done(team.GET('/api/v1/dashboard/webhooks/events'))
    await done(team.PUT('/api/v1/dashboard/webhooks/{webhook_id}', { params: { path: webhook }, body: { is_active: false } }))
    await done(team.POST('/api/v1/dashboard/webhooks/{webhook_id}/regenerate-secret', { params: { path: webhook } }))
    await done(team.GET('/api/v1/dashboard/webhooks/{webhook_id}/deliveries', { params: { path: webhook, query: { status: 'failed', per_page: 5 } } }))
    await done(team.DELETE('/api/v1/dashboard/webhooks/{webhook_id}', { params: { path: webhook } }))
    return { team, key: given(key, 'key') }
  }

  // A user signs up, and in.
  async function user(key: string) {
    const ours = client({ key })
    const { access_token } = await done(ours.POST('/api/v1/auth/register', { body: { ...who, display_name: 'Ada Lovelace' } }))
    const signed = await done(ours.POST('/api/v1/auth/login', { body: who }))
    await done(ours.POST('/api/v1/auth/refresh', { body: { refresh_token: given(signed.refresh_token, 'refresh token') } }))
    await done(ours.POST('/api/v1/auth/resend-verification', { body: { email: who.email } }))
    await done(ours.POST('/api/v1/auth/forgot-password', { body: { email: who.email } }))
    await done(ours.POST('/api/v1/auth/passkeys/authentication/options', { body: { email: who.email } }))
    const ada = client({ key, token: given(access_token, 'token') })
    const me = await done(ada.GET('/api/v1/auth/me'))
    await done(ada.GET('/api/v1/auth/mfa'))
    await done(ada.GET('/api/v1/auth/sessions'))
    await done(ada.POST('/api/v1/auth/change-password', { body: { current_password: who.password, new_password: 'Correct-Horse-8' } }))
    await done(ada.PATCH('/api/v1/app/users/me', { body: { full_name: 'Ada King', avatar_url: 'https://example.com/ada.png' } }))
    return { ours, ada, id: given(me.id, 'user') }
  }

  // Her organization, and what she does in it.
  async function organization(ada: ReturnType<typeof client>, team: ReturnType<typeof client>, user_id: string): Promise<void> {
    const made = await done(ada.POST('/api/v1/organizations', { body: { name: 'Engines', slug: 'engines', description: null } }))
    const path = { organization_id: given(made.id, 'organization') }
    await done(ada.PUT('/api/v1/organizations/{organization_id}', { params: { path }, body: { name: 'Analytical Engines' } }))
    await done(ada.GET('/api/v1/organizations/{organization_id}/members', { params: { path } }))
    const { id } = await done(ada.POST('/api/v1/organizations/{organization_id}/invite', { params: { path }, body: { email: 'grace@example.com', role: 'developer' } }))
    const invitation = { ...path, invitation_id: given(id, 'invitation') }
    await done(ada.POST('/api/v1/organizations/{organization_id}/invitations/{invitation_id}/resend', { params: { path: invitation } }))
    await done(ada.DELETE('/api/v1/organizations/{organization_id}/invitations/{invitation_id}', { params: { path: invitation } }))
    const department = await done(team.POST('/api/v1/dashboard/organizations/{organization_id}/departments', { params: { path }, body: { name: 'Sales', settings: { cost_center: '4711' } } }))
    await done(ada.GET('/api/v1/departments/{department_id}', { params: { path: { department_id: given(department.id, 'department') }, query: { user_id } } }))
  }

  async function work(ada: ReturnType<typeof client>): Promise<void> {
    const sales = await done(ada.POST('/api/v1/teams', { body: { name: 'Sales', color: '#1a2b3c', icon: 'star' } }))
    const team_id = given(sales.id, 'team')
    await done(ada.PUT('/api/v1/teams/{team_id}', { params: { path: { team_id } }, body: { description: 'Who sells' } }))
    const member_id = given(given(sales.created_by_id, 'member'), 'member')
    await done(ada.POST('/api/v1/teams/{team_id}/members', { params: { path: { team_id } }, body: { member_id, role: 'member' } }))
    await done(ada.PUT('/api/v1/teams/{team_id}/members/{member_id}', { params: { path: { team_id, member_id } }, body: { role: 'lead' } }))
    await done(ada.GET('/api/v1/teams/{team_id}', { params: { path: { team_id } } }))

    const goal = await done(ada.POST('/api/v1/goals', { body: { title: 'Be known in Berlin', level: 'team', team_id, key_results: [{ title: 'Ten customers', target_value: 10 }] } }))
    const goal_id = given(goal.id, 'goal')
    const result = given(goal.key_results?.[0]?.id, 'key result')
    await done(ada.PUT('/api/v1/goals/progress', { body: { goal_id, key_results: [{ id: result, current_value: 4 }], note: 'four of ten' } }))
    await done(ada.PATCH('/api/v1/goals', { body: { goal_id, title: 'Be known in Paris', due_date: '2027-03-31' } }))
    await done(ada.GET('/api/v1/goals', { params: { query: { level: 'team' } } }))
    await done(ada.DELETE('/api/v1/goals/{goal_id}', { params: { path: { goal_id } } }))
    await done(ada.DELETE('/api/v1/teams/{team_id}', { params: { path: { team_id } } }))

    const preference = await done(ada.POST('/api/v1/notifications/me', { body: { event_type: 'team_added', inapp_enabled: true, muted: false } }))
    await done(ada.PUT('/api/v1/notifications/me/{preference_id}', { params: { path: { preference_id: given(preference.id, 'preference') } }, body: { muted: true } }))
    await done(ada.PUT('/api/v1/notifications/me/bulk', { body: { preferences: [{ event_type: 'goal_assigned', email_enabled: false }] } }))
    await done(ada.PUT('/api/v1/notifications/preferences/v2/{event_type}', { params: { path: { event_type: 'team_added' } }, body: { email_enabled: false } }))
    await done(ada.PUT('/api/v1/notifications/email-delivery', { body: { email_delivery_mode: 'digest', digest_frequency_minutes: '30' } }))
    await done(ada.POST('/api/v1/notifications/mark-read', { body: {} }))

    const hook = await done(ada.POST('/api/v1/webhooks', { body: { name: 'Mine', url: server.hook, events: ['*'] } }))
    const webhook = { webhook_id: given(hook.id, 'webhook') }
    await done(ada.PUT('/api/v1/webhooks/{webhook_id}', { params: { path: webhook }, body: { events: ['department.created'], description: null } }))
    const test = await done(ada.POST('/api/v1/webhooks/{webhook_id}/test', { params: { path: webhook }, body: { event: 'department.created' } }))
    if (test.success === undefined) throw new Error('a test says nothing')
    await done(ada.POST('/api/v1/webhooks/{webhook_id}/toggle', { params: { path: webhook } }))
    await done(ada.DELETE('/api/v1/webhooks/{webhook_id}', { params: { path: webhook } }))
  }

  // Both versions of the projects, whose answers have other forms.
  async function projects(ada: ReturnType<typeof client>): Promise<void> {
    const one = await done(ada.POST('/api/v1/app/projects', { body: { name: 'Website', description: null } }))
    const path = { project_id: given(one.id, 'project') }
    await done(ada.PATCH('/api/v1/app/projects/{project_id}', { params: { path }, body: { description: 'The new one' } }))
    const { items, total } = await done(ada.GET('/api/v1/app/projects', { params: { query: { search: 'web', limit: 5 } } }))
    if (total !== 1 || items[0]?.name !== 'Website') throw new Error('the project is not found')
    await done(ada.DELETE('/api/v1/app/projects/{project_id}', { params: { path } }))
    const { data, meta } = await done(ada.POST('/api/v2/app/projects', { body: { name: 'Shop' } }))
    if (meta.version !== 'v2') throw new Error('version 2 is another one')
    await done(ada.PATCH('/api/v2/app/projects/{project_id}', { params: { path: { project_id: given(data.id, 'project') } }, body: { name: 'Shop 2' } }))
    await done(ada.PATCH('/api/v2/app/users/me', { body: { full_name: null } }))
    const { ticket } = await done(ada.POST('/api/v1/app/ws/ticket'))
    given(ticket, 'ticket')
  }

  // What the tenant's own server does with its users, and with work for its workers.
  async function backend(key: string, ours: ReturnType<typeof client>, ada: ReturnType<typeof client>): Promise<void> {
    const made = await done(ada.POST('/api/v1/users', { body: { sub: 'user_grace', email: 'grace@example.com', display_name: 'Grace' } }))
    const path = { user: given(made.id, 'user') }
    await done(ours.PUT('/api/v1/users/{user}', { params: { path }, body: { display_name: 'Grace Hopper', locale: 'en' } }))
    await done(ours.PUT('/api/v1/users/{user}/settings', { params: { path }, body: { theme: 'dark' } }))
    await done(ours.GET('/api/v1/users', { params: { query: { per_page: 10 } } }))

    const worker = client({ key })
    await done(worker.POST('/api/bull-queue/submit', { body: { queue: 'images', name: 'thumbnail', data: { image: 7 }, backoff: { type: 'fixed', delay: 1000 }, attempts: 3 } }))
    await done(worker.POST('/api/bull-queue/submit-scheduled', { body: { queue: 'reports', name: 'weekly', data: {}, repeat: '0 7 * * MON' } }))
    await done(worker.POST('/api/task-queue/submit', { body: { task_type: 'resize', queue_name: 'pictures', payload: { image: 8 } } }))
    const claimed = (await done(worker.POST('/api/task-queue/claim', { body: { worker_id: 'w1', queue_name: 'pictures' } }))).data
    const task = Array.isArray(claimed) ? claimed[0] : claimed
    const task_id = { task_id: given(task?.id, 'task') }
    await done(worker.POST('/api/task-queue/{task_id}/heartbeat', { params: { path: task_id }, body: { worker_id: 'w1', attempt: 1 } }))
    await done(worker.POST('/api/task-queue/{task_id}/fail', { params: { path: task_id }, body: { worker_id: 'w1', error: 'not an image', retry: true, retry_after_seconds: 0 } }))
    const again = (await done(worker.POST('/api/task-queue/claim', { body: { worker_id: 'w1', queue_name: 'pictures', batch_size: 2 } }))).data
    if (!Array.isArray(again) || again[0]?.id !== task_id.task_id) throw new Error('the task is not tried again')
    await done(worker.POST('/api/task-queue/{task_id}/complete', { params: { path: task_id }, body: { worker_id: 'w1', result: { width: 320 } } }))
    await done(worker.GET('/api/bull-queue/{queue}/jobs', { params: { path: { queue: 'pictures' } } }))
  }

  // Who runs the installation.
  async function administration(): Promise<void> {
    const admin = client({ token: server.admin })
    const flag = await done(admin.POST('/api/v1/admin/feature-flags', { body: { key: 'new-editor', name: 'New editor', flag_type: 'percentage', percentage: 25 } }))
    await done(admin.PATCH('/api/v1/admin/feature-flags/{flag_id}', { params: { path: { flag_id: given(flag.id, 'flag') } }, body: { is_enabled: false } }))
    const made = await done(client({ token: server.admin, key: server.key }).POST('/api/v1/users', { body: { sub: 'user_linus', email: 'linus@example.com' } }))
    const user = given(made.sub, 'user')
    await done(admin.PATCH('/api/v1/admin/users/{user}', { params: { path: { user } }, body: { role: 'user', is_active: true } }))
    const { token } = await done(admin.POST('/api/v1/admin/impersonate/start', { body: { user_id: user, reason: 'ticket 4711' } }))
    await done(client({ token: given(token, 'token') }).POST('/api/v1/admin/impersonate/stop'))
    await done(admin.GET('/api/v1/admin/dashboard/audit-logs', { params: { query: { action: 'impersonate.start' } } }))
    await done(admin.POST('/api/v2/admin/feature-flags', { body: { key: 'old-editor', name: 'Old editor', flag_type: 'boolean' } }))
    await done(admin.PATCH('/api/v2/admin/users/{user}', { params: { path: { user } }, body: { is_active: false } }))
  }

  await website()
  const { team, key } = await tenant()
  const { ours, ada, id } = await user(key)
  await organization(ada, team, id)
  await work(ada)
  await projects(ada)
  await backend(server.key, ours, ada)
  await administration()
  await done(ada.POST('/api/v1/auth/logout', { body: { all: true } }))
  return { asked: [...asked], bodies: [...bodies] }
}
