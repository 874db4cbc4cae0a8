// The users' projects: whose they are, and deleting one.
import { html } from '../parts/html.js'
import { resource } from '../parts/resource.js'
import { href } from '../parts/router.js'

export const projects = resource({
  path: 'projects', title: 'Projects', group: 'Product',
  about: 'What your users keep in projects, the newest first. A search looks through the newest 10,000.',
  list: 'list_platform_dashboard_projects',
  columns: [
    { key: 'name', main: true },
    { key: 'description', wide: true },
    { key: 'owner_id', label: 'owner', show: (id, row) => html`<a href=${href('users', id)}>${row.owner_name ?? row.owner_email ?? row.owner_sub}</a>` },
    { key: 'updated_at', label: 'changed', as: 'ago', wide: true },
    { key: 'created_at', label: 'made', as: 'ago' },
  ],
  empty: 'Nobody has made one yet.',
  remove: {
    operation: 'delete_platform_dashboard_project', title: 'Delete the project?', said: 'The project is deleted.',
    text: (row) => `“${row.name}” is gone for ${row.owner_name ?? row.owner_email ?? row.owner_sub}, whose it is.`,
  },
})
