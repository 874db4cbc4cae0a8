// Compare answers with what the reference says about them.
//
//	node validate_answers.mjs OPENAPI.json ANSWERS …
//
// ANSWERS is a file of one JSON object a line, its bytes as Latin-1: {file, via, method, target, status,
// headers, body} as t/lib/Ashlar/Answers.pm notes them.  The answer to an operation has a status, a type and
// headers that the document declares for it and no other, and a body that fits the schema and has no member that is not in
// it.  Where no operation matches, nothing may be had: an answer there is an error, in the form that errors
// have.  Prints what is otherwise, each once with the first answer that has it, then a summary; exits with 1
// if there was anything.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import Ajv2020 from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

const doc = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const MANY = 50

// ------------------------------------------------------------------ which operation

// A tree of path segments, walked as the router does (fcgi/route.c): a literal one first, then a parameter.
const root = {}
for (const path of Object.keys(doc.paths)) {
  let node = root
  for (const segment of path.split('/').slice(1)) {
    if (/^\{.*\}$/.test(segment)) node = node.param ??= {}
    else node = ((node.literal ??= new Map()).get(segment)) ?? node.literal.set(segment, {}).get(segment)
  }
  node.path = path
}

function walk(node, segments, i) {
  if (i === segments.length) return node.path
  if (segments[i] === '' && segments.length > 1) return undefined
  const next = node.literal?.get(segments[i])
  return (next && walk(next, segments, i + 1)) ?? (node.param && walk(node.param, segments, i + 1))
}

// The operation that an answer is of: HEAD is GET's, but for a stream, which has none (405), and an update has two names.  nginx has the API's paths
// without /api, too.  A path without a version is that of the version that answered, unless the one that a
// header asked for was refused.  Behind nginx the api has no path that another server answers, and past TLS
// there is none at all.
const methods = { HEAD: ['get'], PUT: ['put', 'patch'], PATCH: ['patch', 'put'] }
function operationOf(answer) {
  const { via, method, target } = answer
  let path = target.replace(/[?#].*/s, '').replace(/(.)\/$/s, '$1')
  if (via === 'http' || path[0] !== '/') return undefined
  if (/^\/(?:v1|v4|opsboard)(?:\/|$)/.test(path)) path = `/api${path}`
  let pattern = walk(root, path.slice(1).split('/'), 0)
  if (!pattern && answer.status !== 400)
    pattern = walk(root, path.replace(/^\/api\//, `/api/${answer.header('x-api-version')}/`).slice(1).split('/'), 0)
  const item = doc.paths[pattern]
  const name = item && (methods[method] ?? [method.toLowerCase()]).find((m) => item[m])
  if (method === 'HEAD' && answer.status === 405 && item?.get?.['x-pool'] === 'realtime') return undefined
  if (!name || (via === 'fastcgi' && ['nginx', 'realtime'].includes(item[name]['x-pool']))) return undefined
  return { path: pattern, name, ...item[name] }
}

// ------------------------------------------------------------------ what it says

const deref = (what) => (what?.$ref ? what.$ref.slice(2).split('/').reduce((at, step) => at[step.replace(/~1/g, '/').replace(/~0/g, '~')], doc) : what)

// Members that a schema does not name are none, unless it names none at all.
function close(schema) {
  if (typeof schema !== 'object' || schema === null) return
  if (schema.allOf) throw new Error('allOf: its parts cannot be closed one by one')
  if (schema.properties) schema.additionalProperties ??= false
  for (const some of [schema.properties, schema.$defs]) Object.values(some ?? {}).forEach(close)
  for (const one of [schema.items, schema.additionalProperties]) close(one)
  for (const many of [schema.anyOf, schema.oneOf]) (many ?? []).forEach(close)
}
Object.values(doc.components.schemas).forEach(close)

const ajv = new Ajv2020({ strict: false, allErrors: true, verbose: true })
formats(ajv)
ajv.addFormat('idn-email', /^[^@\s]+@[^@\s]+$/)
ajv.addSchema(doc, 'doc')

// A validator for each schema, once, however many operations have it.
const validators = new Map()
function validatorOf(schema) {
  const text = JSON.stringify(schema)
  if (!validators.has(text)) {
    const own = JSON.parse(text.replace(/"\$ref":"#/g, '"$ref":"doc#'))
    close(own)
    validators.set(text, ajv.compile(own))
  }
  return validators.get(text)
}

const cut = (text, n = 200) => (text.length > n ? `${text.slice(0, n)}…` : text)
const short = (value) => cut(JSON.stringify(value) ?? 'nothing', 100)

// What ajv found, in our words: where, what is expected, what is there.
function explain(errors) {
  const ours = errors.filter((e) => !['anyOf', 'oneOf', 'if'].includes(e.keyword) && !(e.keyword === 'type' && e.params.type === 'null' && errors.length > 1))
  return (ours.length ? ours : errors).map(({ instancePath, keyword, message, params, data }) => ({
    where: `${instancePath}${keyword === 'additionalProperties' ? `/${params.additionalProperty}` : keyword === 'required' ? `/${params.missingProperty}` : ''}` || '/',
    expected: keyword === 'additionalProperties' ? 'no such member'
      : keyword === 'required' ? 'a member'
      : keyword === 'enum' ? `one of ${params.allowedValues.join(', ')}`
      : message.replace(/^must (?:be |match )?/, ''),
    found: short(keyword === 'additionalProperties' ? data[params.additionalProperty] : keyword === 'required' ? undefined : data),
  }))
}

const complaint = (where, expected, found) => [{ where, expected, found: short(found) }]

const utf8 = new TextDecoder('utf-8', { fatal: true })
function bodyOf(answer) {
  let bytes = Buffer.from(answer.body, 'latin1')
  if (answer.header('content-encoding') === 'gzip') bytes = gunzipSync(bytes)
  return JSON.parse(utf8.decode(bytes))
}

function judgeBody(answer, schema) {
  if (!schema) return complaint('body', 'a schema in the document', undefined)
  let body
  try {
    body = bodyOf(answer)
  } catch (error) {
    return complaint('body', `JSON (${error.message})`, answer.body)
  }
  const validate = validatorOf(schema)
  return validate(body) ? [] : explain(validate.errors)
}

const parse = (text, schema) => ([schema.type].flat().some((t) => ['integer', 'number'].includes(t)) && text.trim() !== '' ? Number(text) : text)

// Headers that HTTP, TLS and browsers are told in, and not who calls: the document does not speak of them.
const unspoken = new RegExp('^(?:server|date|status|connection|keep-alive|content-(?:type|length|encoding|security-policy)|transfer-encoding|cache-control|' +
  'vary|last-modified|accept-ranges|strict-transport-security|x-(?:content-type-options|frame-options|accel-buffering)|referrer-policy|server-timing|' +
  'access-control-.*|accept-encoding|alt-svc)$')
const ofWebSocket = /^(?:upgrade|sec-websocket-.*)$/

// A header that is there is declared.
function judgeOthers(answer, headers) {
  const declared = new Set(Object.keys(headers ?? {}).map((name) => name.toLowerCase()))
  return answer.names().filter((name) => !declared.has(name) && !unspoken.test(name) && !(answer.status === 101 && ofWebSocket.test(name)))
    .flatMap((name) => complaint(`header ${name}`, 'no such header', answer.header(name)))
}

function judgeHeaders(answer, headers) {
  return Object.entries(headers ?? {}).flatMap(([name, described]) => {
    const { required, schema } = deref(described)
    const value = answer.header(name)
    if (value === undefined) return required ? complaint(`header ${name}`, 'a header', undefined) : []
    const validate = validatorOf(schema)
    return validate(parse(value, schema)) ? [] : explain(validate.errors).map((e) => ({ ...e, where: `header ${name}` }))
  })
}

const baseOf = (type) => (type ?? '').split(';')[0].trim().toLowerCase()

function judgeContent(answer, content) {
  const type = answer.header('content-type')
  if (!content) return answer.body === '' ? [] : complaint('body', 'none', answer.body)
  const key = Object.keys(content).find((t) => t === '*/*' || (t.includes(';') ? t === type : baseOf(t) === baseOf(type)))
  if (!key) return complaint('header Content-Type', Object.keys(content).join(' or '), type)
  return /\bjson$/.test(baseOf(key)) && answer.method !== 'HEAD' ? judgeBody(answer, content[key].schema) : []
}

const errors = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } }, 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }

// No operation: under the API's paths only a refusal, or the answer to a page's question what it may ask.  Elsewhere are pages.
function judgeOther(answer) {
  const isApi = answer.target === '' || /^\/+(?:api|v1|v4|opsboard)(?:[/?]|$)/.test(answer.target)
  if (!isApi || (answer.method === 'OPTIONS' && answer.status === 204)) return []
  if (answer.status < 400) return complaint('status', 'an error, since no operation of the document matches', answer.status)
  return judgeContent(answer, errors)
}

function judge(answer, operation) {
  if (!operation) return judgeOther(answer)
  const response = deref(operation.responses[answer.status])
  if (!response) return complaint('status', Object.keys(operation.responses).join(', '), answer.status)
  return [...judgeHeaders(answer, response.headers), ...judgeOthers(answer, response.headers), ...judgeContent(answer, response.content)]
}

// ------------------------------------------------------------------ all of them

let noted = 0
const seen = new Set(), operations = new Set(), found = new Map()
for (const file of process.argv.slice(3)) {
  for (const line of readFileSync(file, 'latin1').split('\n')) {
    if (!line) continue
    noted++
    const answer = JSON.parse(line)
    const names = new Map()
    for (let i = 0; i < answer.headers.length; i += 2) names.set(answer.headers[i].toLowerCase(), answer.headers[i + 1])
    answer.header = (name) => names.get(name.toLowerCase())
    answer.names = () => [...names.keys()]
    const operation = operationOf(answer)
    const what = operation ? `${operation.name} ${operation.path}` : `${answer.method} (no operation)`
    const key = [what, answer.status, [...names.keys()].sort(), answer.header('content-type'), answer.header('location'), answer.body].join('\0')
    if (seen.has(key)) continue
    seen.add(key)
    if (operation) operations.add(what)
    for (const { where, expected, found: value } of judge(answer, operation)) {
      const kind = [what, answer.status, where.replace(/\/\d+(?=\/|$)/g, '/*'), expected].join('\0')
      const one = found.get(kind) ?? { text: `${answer.file}: ${answer.method} ${cut(answer.target)} (${answer.status}): ${where}: expected ${expected}, found ${value}`, times: 0, files: new Set() }
      one.times++
      one.files.add(answer.file)
      found.set(kind, one)
    }
  }
}

const all = [...found.values()]
for (const { text, times, files } of all.slice(0, MANY))
  console.log(times > 1 ? `${text} (${times} times, in ${[...files].sort().join(' ')})` : text)
if (all.length > MANY) console.log(`… and ${all.length - MANY} more`)
const total = Object.values(doc.paths).reduce((n, item) => n + Object.keys(item).length, 0)
console.log(`${noted} answers of ${operations.size} of ${total} operations, ${all.length ? `${all.length} things are not as` : 'all as'} the reference has them`)
process.exitCode = all.length ? 1 : 0
