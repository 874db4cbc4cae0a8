'use strict'
// The project list on Fastify, pg and fast-jwt.
//
// One process per core, each with its own socket; bench/run starts them.  MODE
// is "bare" or "guaranteed"; see bench/README.md.

const fs = require('node:fs')
const fastify = require('fastify')
const pg = require('pg')
const { createVerifier } = require('fast-jwt')

const { MODE, SOCKET, JWT_SECRET, STATEMENTS, POOL } = process.env
const guaranteed = MODE === 'guaranteed'
const statements = JSON.parse(fs.readFileSync(STATEMENTS, 'utf8'))
const list = statements[guaranteed ? 'guaranteed' : 'bare']
const enter = statements.enter.text

const verify = createVerifier({
  key: JWT_SECRET,
  algorithms: ['HS256'],
  allowedIss: 'ashlar',
  allowedAud: 'ashlar',
  clockTolerance: 30000,
  cache: 1000
})

// PostgreSQL's text, in UTC, is cut to RFC 3339 with milliseconds: many times
// cheaper than a Date per value.  int8 as a number, as everybody here has it.
pg.types.setTypeParser(1184, (text) => {
  const fraction = text.length > 22 ? text.slice(20, -3) : ''
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.padEnd(3, '0').slice(0, 3)}Z`
})
pg.types.setTypeParser(20, Number)

// Connections in pg's pipeline mode, taken in turn: what a request sends goes
// out at once, without waiting for the answers to those before it.
const clients = []
let turn = 0

async function connect () {
  for (let i = 0; i < Number(POOL); i++) {
    const client = new pg.Client({ pipeline: true, options: '-c TimeZone=UTC' })
    await client.connect()
    clients.push(client)
  }
}

function values (claims, query) {
  const named = {
    skip: query.skip,
    limit: query.limit,
    user_id: claims.uid,
    tenant_id: claims.tid
  }
  return list.params.map((name) => named[name])
}

async function rowsOf (claims, query) {
  const client = clients[turn = (turn + 1) % clients.length]
  const wanted = { name: 'list', text: list.text, values: values(claims, query) }
  if (!guaranteed) return (await client.query(wanted)).rows
  // All four leave in one write; if enter refuses, the list fails with it and the COMMIT rolls back.
  const answers = await Promise.allSettled([
    client.query('BEGIN'),
    client.query({
      name: 'enter',
      text: enter,
      values: [claims.tid, claims.iss, claims.sub, claims.sid, 'user', true]
    }),
    client.query(wanted),
    client.query('COMMIT')
  ])
  const failed = answers.find((answer) => answer.status === 'rejected')
  if (failed) throw failed.reason
  return answers[2].value.rows
}

const project = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    name: { type: 'string' },
    description: { type: 'string', nullable: true },
    owner_id: { type: 'string' },
    created_at: { type: 'string' },
    updated_at: { type: 'string' }
  }
}

const schema = {
  querystring: {
    type: 'object',
    properties: {
      skip: { type: 'integer', minimum: 0, default: 0 },
      limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 }
    }
  },
  response: {
    200: {
      type: 'object',
      properties: {
        items: { type: 'array', items: project },
        total: { type: 'integer' },
        skip: { type: 'integer' },
        limit: { type: 'integer' }
      }
    }
  }
}

const app = fastify({ logger: false })

app.get('/api/v1/app/projects', { schema }, async (request, reply) => {
  let claims
  try {
    claims = verify((request.headers.authorization || '').slice(7))
  } catch {
    return reply.code(401).send({ error: { code: 'AUTHENTICATION_ERROR' } })
  }
  let rows
  try {
    rows = await rowsOf(claims, request.query)
  } catch (error) {
    if (error.code !== 'AS401') throw error
    return reply.code(401).send({ error: { code: 'AUTHENTICATION_ERROR' } })
  }
  return {
    items: rows[0].id === null ? [] : rows,
    total: rows[0].total,
    skip: request.query.skip,
    limit: request.query.limit
  }
})

connect().then(() => app.listen({ path: SOCKET })).catch((error) => {
  console.error(error)
  process.exit(1)
})
