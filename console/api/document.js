// The API's own description, from which the console knows addresses, parameters, forms, and who may do what.
//
//	await describe(...surfaces)	have those documents; a session's own are asked for by ready()
//	operation(id)			{ id, method, path, summary, description, parameters, body, answer, role, … } or undefined
//	mayCall(id), firstOf(ids)	by the session's kind and role; the first of several that it may call
//	operations()			all that are here
//	resolved(schema)		what a $ref leads to
import { current } from '../session/session.js'

const documents = new Map() // by surface: a promise of the document
const found = new Map() // by id: { document, method, path, described }
const read = new Map() // by id: the operation

// Which surfaces a session of that kind has pages about.
const SURFACES = { team: ['platform'], user: ['app', 'platform', 'operations'] }
export const ALL = ['app', 'platform', 'workspace', 'operations', 'observability']
const METHODS = new Set(['get', 'post', 'put', 'patch', 'delete'])

async function load(surface) {
  const response = await fetch(`/openapi/${surface}.json`, { credentials: 'omit' })
  if (!response.ok) throw new Error(`/openapi/${surface}.json: ${response.status}`)
  const document = await response.json()
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, described] of Object.entries(item)) {
      if (METHODS.has(method)) found.set(described.operationId, { surface, document, method: method.toUpperCase(), path, described })
    }
  }
}

export function describe(...surfaces) {
  return Promise.all(surfaces.map((surface) => {
    if (!documents.has(surface)) {
      // One that did not come is asked for again.
      documents.set(surface, load(surface).catch((error) => { documents.delete(surface); throw error }))
    }
    return documents.get(surface)
  }))
}

export const ready = () => describe(...SURFACES[current().kind])

const at = (document, ref) => ref.slice(2).split('/').reduce((part, step) => part[step.replaceAll('~1', '/').replaceAll('~0', '~')], document)
const follow = (document, thing) => (thing?.$ref ? follow(document, at(document, thing.$ref)) : thing)

// The schema of the answer that is none of an error.
function answerOf(document, responses) {
  const status = Object.keys(responses).find((code) => code.startsWith('2'))
  const content = status && follow(document, responses[status]).content
  return { status: Number(status), schema: content?.['application/json']?.schema, types: Object.keys(content ?? {}) }
}

export function operation(id) {
  if (!read.has(id) && found.has(id)) {
    const { surface, document, method, path, described } = found.get(id)
    const body = follow(document, described.requestBody)
    read.set(id, {
      id, surface, method, path, document,
      summary: described.summary,
      description: described.description ?? '',
      security: described.security ?? [],
      role: described['x-role'],
      parameters: (described.parameters ?? []).map((one) => follow(document, one)),
      body: body?.content['application/json']?.schema,
      bodyTypes: Object.keys(body?.content ?? {}),
      example: body?.content['application/json']?.example,
      answer: answerOf(document, described.responses),
    })
  }
  return read.get(id)
}

export const operations = () => [...found.keys()].map(operation)

// A schema behind its references, with what several of them say together.
export function resolved(op, schema) {
  const one = follow(op.document, schema)
  if (!one?.allOf) return one ?? {}
  return one.allOf.map((part) => resolved(op, part)).reduce((all, part) => ({ ...all, ...part, properties: { ...all.properties, ...part.properties } }), one)
}

const RANK = { member: 1, admin: 2, owner: 3, user: 1, superadmin: 3 }

export function mayCall(id, who = current()) {
  const op = operation(id)
  if (!op || !who) return false
  const has = { team: who.kind === 'team', bearer: who.kind === 'user', apiKey: Boolean(who.key) }
  const isLetIn = !op.security.length || op.security.some((schemes) => Object.keys(schemes).every((scheme) => has[scheme]))
  return isLetIn && (!op.role || (RANK[who.role] ?? 1) >= (RANK[op.role] ?? 1))
}

export const firstOf = (ids) => [ids ?? []].flat().find((id) => mayCall(id))
