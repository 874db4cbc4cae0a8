// All pages, in the order of the menu.  A page is { path, title, group, needs, View }: needs are operations, one of which the
// session has to be allowed; View gets { route }.  What is a list with forms is made by resource() (parts/resource.js).
import { apiKeys } from './api-keys.js'
import { audit } from './audit.js'
import { jobs, schedules } from './jobs.js'
import { live } from './live.js'
import { mails } from './mails.js'
import { overview } from './overview.js'
import { team } from './team.js'
import { users } from './users.js'

export const pages = [overview, users, team, apiKeys, mails, live, jobs, schedules, audit]
