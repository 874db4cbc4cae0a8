// What the document says of its operations, as data: which noun of which surface has it, what it is called there, and how it is
// asked for.  Everything that is generated is made of this.
//
//	list_app_projects	app, projects.list
//	create_app_upload_url	app, files.createUploadUrl
//	list_app_projects_v2	v2, projects.list
//
// A name is the operation's id without the surface; where the noun alone is left of it, that goes, too.  Ids are kept once they are
// published (docs/operations.txt), and so are these.
import { extname } from 'node:path'

const METHODS = ['get', 'post', 'put', 'patch', 'delete']
// How a list's page is asked for, in the order in which they count: what says where it begins, and what how long it is.
const PLACES = ['skip', 'offset', 'page', 'start', 'cursor']
const SIZES = ['limit', 'per_page', 'page_size', 'size', 'end']

const camel = (words) => words.replace(/[_-](\w)/g, (_, letter) => letter.toUpperCase())
const singular = (noun) => noun.replace(/ies$/, 'y').replace(/(ss|x|ch)es$/, '$1').replace(/([^s])s$/, '$1')

// Follow a $ref.
function at(document, node) {
  if (!node?.$ref) return node
  const keys = node.$ref.slice(2).split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  return at(document, keys.reduce((found, key) => found[key], document))
}

function nameOf(id, surface, noun) {
  const version = id.match(/_(v\d+)$/)?.[1] === 'v2' && surface === 'app' ? '_v2' : ''
  const words = id.slice(0, version ? -version.length : undefined).split('_')
  words.splice(words.indexOf(surface), 1)
  const [verb, ...rest] = words
  const what = rest.join('_')
  const nouns = [noun, singular(noun), noun.replace(/_(?:in|out)$/, ''), singular(noun.replace(/_(?:in|out)$/, ''))]
  return { surface: version ? 'v2' : surface, name: nouns.includes(what) ? verb : camel(words.join('_')) }
}

// Where the rows of an answer are: "" for an array, "items", "data.items"; undefined where it is no list.
function rowsOf(document, schema, prefix = '') {
  const s = at(document, schema)
  if (s?.type === 'array') return prefix
  const members = Object.entries(s?.properties ?? {}).map(([name, member]) => [name, at(document, member)])
  if (prefix === '' && members.length === 2 && s.properties.data && s.properties.meta) return rowsOf(document, s.properties.data, 'data')
  const arrays = members.filter(([, member]) => member?.type === 'array').map(([name]) => name)
  const rows = arrays.includes('items') ? 'items' : arrays.length === 1 ? arrays[0] : undefined
  return rows && (prefix ? `${prefix}.${rows}` : rows)
}

// { rows, place, size, usual } of a list.
function listOf(document, id, parameters, schema) {
  const query = parameters.filter((p) => p.in === 'query')
  const has = (names) => names.find((name) => query.some((p) => p.name === name))
  const place = has(PLACES)
  if (!id.startsWith('list_') && !place) return
  const rows = rowsOf(document, schema)
  if (rows === undefined) return
  const size = has(SIZES)
  const usual = at(document, query.find((p) => p.name === size)?.schema)?.default
  return place ? { rows, place, size, usual: size === 'end' ? usual + 1 : usual } : { rows }
}

// All operations of a document, each:
//
//	id, surface, noun, name, method, path, summary, description
//	query		the names of its query
//	body		"json", "form" or undefined; isOptional where none need be sent
//	isRepeatable	it takes an Idempotency-Key
//	list		see listOf
//	isFile	it is a list that answers a file where it is asked for one
//	isBytes	it answers a file
//	isText	it answers neither JSON nor a stream of events, but text: lines, figures
//	stream		"asked" where the answer is a stream if the body says so, "text" where that is of plain text, "always"
export function operationsOf(document) {
  const found = []
  for (const [path, methods] of Object.entries(document.paths))
    for (const method of METHODS.filter((m) => methods[m])) {
      const operation = methods[method]
      const [family, area] = operation['x-catalogue-id'].split('.')
      const parameters = (operation.parameters ?? []).map((p) => at(document, p))
      const good = Object.entries(operation.responses).filter(([status]) => status.startsWith('2')).map(([, response]) => at(document, response))
      const types = good.flatMap((response) => Object.keys(response.content ?? {}))
      // Pages for people, and what is asked for by other means: upgrades and redirects.
      if (types.includes('text/html') || !good.length || extname(path) === '.json') continue
      const request = at(document, operation.requestBody)?.content
      found.push({
        id: operation.operationId,
        ...nameOf(operation.operationId, family, area),
        noun: camel(area),
        method: method.toUpperCase(),
        path,
        summary: operation.summary,
        description: operation.description ?? '',
        query: parameters.filter((p) => p.in === 'query').map((p) => p.name),
        body: request && (request['multipart/form-data'] ? 'form' : 'json'),
        isRepeatable: parameters.some((p) => p.name === 'Idempotency-Key'),
        list: method === 'get' ? listOf(document, operation.operationId, parameters, good[0].content?.['application/json']?.schema) : undefined,
        isFile: types.includes('text/csv'),
        isBytes: types.includes('*/*'),
        isText: types.length > 0 && !types.some((type) => ['*/*', 'application/json', 'text/event-stream'].includes(type)),
        stream: types.includes('text/event-stream') ? (!types.includes('application/json') ? 'always' : path.startsWith('/api/v1/app/ai/') ? 'text' : 'asked') : undefined,
      })
    }
  const seen = new Map()
  for (const one of found) {
    const full = `${one.surface}.${one.noun}.${one.name}`
    if (seen.has(full)) throw new Error(`${one.id} and ${seen.get(full)} are both ${full}: build/operations.mjs has to tell them apart`)
    seen.set(full, one.id)
  }
  return found
}

// How the client asks for it, in a line (src/operation.ts reads it): method and path, then
//
//	K	takes an Idempotency-Key
//	B, F	what is neither in the path nor in the query is the body, as JSON or as a form
//	?a,b	the query, where there is a body, too
//	*rows,place,size,usual	a list
//	D, X	answers a file; text
//	S, A, T	always a stream; a stream if it is asked for; the same, of plain text
export function lineOf({ method, path, isRepeatable, body, query, list, isBytes, isText, stream }) {
  const words = [method, path]
  if (isRepeatable) words.push('K')
  if (body) words.push(body === 'form' ? 'F' : 'B')
  if (body && query.length) words.push(`?${query}`)
  if (list) words.push(`*${[list.rows, list.place, list.size, list.usual].filter((word) => word !== undefined)}`)
  if (isBytes || isText) words.push(isBytes ? 'D' : 'X')
  if (stream) words.push({ always: 'S', asked: 'A', text: 'T' }[stream])
  return words.join(' ')
}
