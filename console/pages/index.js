// All pages, in the order of the menu.  A page is { path, title, group, needs, View }: needs are operations, one of which the
// session has to be allowed; View gets { route }.  What is a list with forms is made by resource() (parts/resource.js).
import { apiKeys } from './api-keys.js'
import { overview } from './overview.js'
import { team } from './team.js'

export const pages = [overview, team, apiKeys]
