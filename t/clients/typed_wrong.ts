// What the types of the reference refuse: each call that is marked, with the compiler's number, and no other line.
import createClient from 'openapi-fetch'
import type { paths } from './schema.js'

const api = createClient<paths>({ baseUrl: 'https://localhost' })

export const calls = [
  () => api.POST('/api/v1/app/projects', { body: { name: 'Website' } }),
  () => api.POST('/api/v1/app/projects', { body: { name: 7 } }), // TS2322: a number
  () => api.POST('/api/v1/app/projects', { body: { description: 'of nothing' } }), // TS2322: without what must be there
  () => api.POST('/api/v1/app/projects', { body: { name: null } }), // TS2322: null where it clears nothing
  () => api.POST('/api/v1/webhooks', { body: { name: 'Mine', url: 'https://example.com', events: '*' } }), // TS2322: one where there is a list
  () => api.POST('/api/v1/app/projects'), // TS2554: no body
  () => api.POST('/api/v1/app/projectz', { body: { name: 'Website' } }), // TS2589: no such path, which TypeScript says of so many in this way
  () => api.PUT('/api/v1/app/projects', { body: { name: 'Website' } }), // TS2345: no such method
  () => api.GET('/api/v1/app/projects/{project_id}', { params: { path: {} } }), // TS2741: without the id
  () => api.POST('/api/v1/organizations/{organization_id}/invite', { params: { path: { organization_id: 'x' } }, body: { email: 'a@example.com', role: 'king' } }), // TS2322: no such role
  () => api.GET('/api/v1/app/projects', { params: { query: { limit: 'ten' } } }), // TS2322: no number
]

export async function read() {
  const { data } = await api.GET('/api/v1/app/projects')
  return [data?.items[0]?.name, data?.items[0]?.nam] // TS2551: a member that the answer has not
}
