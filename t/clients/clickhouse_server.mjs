// A ClickHouse of today on a free port of loopback: its HTTP interface, as its documentation has it, in front of the engine itself (chdb), so
// that what understands our SQL, and what our rows become, is theirs.  It ends with its standard input.
//
//	node clickhouse_server.mjs USER PASSWORD [DIRECTORY]      prints the port
//
// A POST /stub?fail=… says how it is to fail from then on: hang (it takes a request and says nothing), error (500, in ClickHouse's words), cut
// (half of an answer, and the end), late (what was asked is done, and nobody is told); with match=TEXT only what has that text in its query, with
// times=N so often; without fail not any more.  /stub answers with what was asked since the last time, a line each.
//
// The engine does one thing after another, so what this tells of speed is a lower bound.
import { createServer } from 'node:http'
import { mkdtempSync, rmSync, writeFileSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Session } from 'chdb'

const [user, password, given] = process.argv.slice(2)
const directory = given ?? mkdtempSync(join(tmpdir(), 'ashlar-clickhouse-'))
const engine = new Session(join(directory, 'data'))
// What is the server's own, and no setting.
const own = new Set(['query', 'database', 'user', 'password', 'default_format', 'wait_end_of_query', 'buffer_size', 'http_response_buffer_size', 'query_id', 'session_id', 'session_timeout', 'compress', 'decompress', 'role', 'quota_key'])
const text = (value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
let failing = null, asked = []

class Refusal extends Error {
  constructor(code, message, status) {
    super(`Code: ${code}. DB::Exception: ${message} (version 26.7.2.1)`)
    this.code = code
    this.status = status
  }
}

// As the server maps them: what the client did wrong is 4xx.
function statusOf(code) {
  if ([516, 192, 193, 194].includes(code)) return 403
  if ([60, 81, 47, 46, 115].includes(code)) return 404
  if ([6, 26, 27, 32, 33, 36, 38, 41, 42, 43, 53, 62, 69, 72, 117, 386, 456, 457].includes(code)) return 400
  return code === 48 ? 501 : 500
}

function run(sql, format) {
  try {
    return engine.query(sql, format)
  } catch (error) {
    const code = Number(/Code: (\d+)/.exec(error.message)?.[1] ?? 1002)
    const refusal = new Refusal(code, '', statusOf(code))
    refusal.message = error.message.slice(error.message.indexOf('Code:') < 0 ? 0 : error.message.indexOf('Code:'))
    throw refusal
  }
}

// Who asks: by the two headers, HTTP's own, or the address.
function check(request, query) {
  const basic = /^Basic (.*)$/.exec(request.headers.authorization ?? '')
  const [name, secret] = request.headers['x-clickhouse-user'] !== undefined
    ? [request.headers['x-clickhouse-user'], request.headers['x-clickhouse-key'] ?? '']
    : basic ? Buffer.from(basic[1], 'base64').toString().split(/:(.*)/s) : [query.get('user') ?? 'default', query.get('password') ?? '']
  if (name !== user || secret !== password) throw new Refusal(516, `${name}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)`, 403)
}

function insert(sql, body) {
  const [, table, columns, format] = /^\s*INSERT INTO (\S+) \(([^)]*)\) FORMAT (\w+)\s*$/is.exec(sql) ?? []
  if (!table) return run(sql + (body.length ? ` ${body}` : ''))
  const types = new Map(run(`DESCRIBE TABLE ${table}`, 'TSVRaw').trim().split('\n').map((line) => line.split('\t')))
  const names = columns.split(',').map((name) => name.trim())
  const path = join(directory, 'body')
  writeFileSync(path, body)
  try {
    return run(`INSERT INTO ${table} (${columns}) SELECT * FROM file(${text(path)}, ${text(format)}, ${text(names.map((name) => `${name} ${types.get(name)}`).join(', '))})`)
  } finally {
    unlinkSync(path)
  }
}

function answer(request, url, body) {
  const query = url.searchParams
  check(request, query)
  if (request.headers['content-encoding'] === 'gzip') body = gunzipSync(body)
  if (query.get('database')) run(`USE ${query.get('database')}`)
  // All in one, as each statement costs as much as a small query.
  const set = [...query].filter(([name]) => !own.has(name)).map(([name, value]) => `${name} = ${text(value)}`)
  if (set.length) run(`SET ${set.join(', ')}`)
  let sql = query.get('query') ?? ''
  if (!/^\s*INSERT/i.test(sql)) {
    sql += body.toString()
    body = Buffer.alloc(0)
  }
  if (request.method === 'GET' && !/^\s*(SELECT|WITH|SHOW|DESCRIBE|EXISTS)/i.test(sql)) throw new Refusal(164, 'Cannot execute query in readonly mode.', 500)
  asked.push(`${sql.replace(/\s+/g, ' ').slice(0, 60)} ${body.length}`)
  if (/^\s*INSERT/i.test(sql)) return ['', insert(sql, body)]
  const [, bare, wanted] = /^(.*?)(?:\sFORMAT\s+(\w+)\s*)?$/s.exec(sql)
  const format = wanted ?? query.get('default_format') ?? request.headers['x-clickhouse-format'] ?? 'TabSeparated'
  return [format, run(bare, format)]
}

function fails(url, body) {
  if (!failing || !((url.searchParams.get('query') ?? body.toString())).includes(failing.match)) return null
  if (failing.times && !--failing.times) {
    const how = failing.how
    failing = null
    return how
  }
  return failing.how
}

// To compile what was asked three times takes a quarter of the CPU of a test, where nothing is asked of many rows.
run('SET compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0')

const server = createServer((request, response) => {
  const pieces = []
  request.on('data', (piece) => pieces.push(piece))
  request.on('end', () => {
    const url = new URL(request.url, 'http://localhost')
    if (url.pathname === '/ping') return response.end('Ok.\n')
    if (url.pathname === '/stub') {
      const how = url.searchParams.get('fail')
      failing = how ? { how, match: url.searchParams.get('match') ?? '', times: Number(url.searchParams.get('times') ?? 0) } : null
      response.end(asked.join('\n'))
      asked = []
      return
    }
    if (url.pathname !== '/') return response.writeHead(404).end(`There is no handle ${url.pathname}\n`)
    const body = Buffer.concat(pieces)
    const how = fails(url, body)
    if (how === 'hang') return
    try {
      if (how === 'error') throw new Refusal(241, 'Memory limit (total) exceeded', 500)
      const [format, result] = answer(request, url, body)
      if (how === 'late') return response.destroy()
      response.setHeader('X-ClickHouse-Summary', JSON.stringify({ read_rows: '0', read_bytes: '0', written_rows: '0', written_bytes: '0', total_rows_to_read: '0', result_rows: '0', result_bytes: `${Buffer.byteLength(result)}` }))
      response.setHeader('X-ClickHouse-Timezone', 'UTC')
      if (format) response.setHeader('X-ClickHouse-Format', format)
      response.setHeader('Content-Type', format.startsWith('JSON') ? 'application/json; charset=UTF-8' : 'text/tab-separated-values; charset=UTF-8')
      if (how !== 'cut') return response.end(result)
      response.write(result.slice(0, result.length / 2))
      setTimeout(() => response.destroy(), 10)
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error)
      response.writeHead(error.status ?? 500, { 'X-ClickHouse-Exception-Code': error.code ?? 1002, 'Content-Type': 'text/plain; charset=UTF-8' })
      response.end(`${error.message}\n`)
    }
  })
})
server.keepAliveTimeout = 60000
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => {
  if (!given) rmSync(directory, { recursive: true, force: true })
  process.exit(0)
})
