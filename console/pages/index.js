// All pages, in the order of the menu.  A page is { path, title, group, needs, View }: needs are operations, one of which the
// session has to be allowed; View gets { route }.  What is a list with forms is made by resource() (parts/resource.js).
import { account } from './account.js'
import { agents, aiAccounts, externalAgents } from './ai.js'
import { apiKeys } from './api-keys.js'
import { audit } from './audit.js'
import { files } from './files.js'
import { flags } from './flags.js'
import { jobs, schedules } from './jobs.js'
import { live } from './live.js'
import { mails } from './mails.js'
import { organizations } from './organizations.js'
import { overview } from './overview.js'
import { paymentAccounts, plans } from './plans.js'
import { projects } from './projects.js'
import { requests } from './requests.js'
import { issuers, settings } from './settings.js'
import { team } from './team.js'
import { usage, usageLimits } from './usage.js'
import { users } from './users.js'
import { webhookEvents } from './webhook-events.js'
import { webhooks } from './webhooks.js'

export const pages = [
  overview, projects, flags, files,
  users, organizations, team,
  apiKeys, webhooks, webhookEvents, mails, requests,
  live, jobs, schedules, audit,
  plans, usage, usageLimits, paymentAccounts,
  agents, externalAgents, aiAccounts,
  account, settings, issuers,
]
