'use strict'
// The project list on Fastify, pg and fast-jwt; for bench/operations, the consumption of tokens.
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
const consume = statements[guaranteed ? 'guaranteed_consume' : 'bare_consume']
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

async function rowsOf (name, statement, claims, given) {
  const client = clients[turn = (turn + 1) % clients.length]
  const named = { ...given, user_id: claims.uid, tenant_id: claims.tid }
  const wanted = { name, text: statement.text, values: statement.params.map((param) => named[param]) }
  if (!guaranteed) return (await client.query(wanted)).rows
  // All four leave in one write; if enter refuses, the list fails with it and the COMMIT rolls back.
  const answers = await Promise.allSettled([
    client.query('BEGIN'),
    client.query({
      name: 'enter',
      text: enter,
      values: [claims.tid, claims.iss, claims.sub, claims.sid, 'user', statement === list]
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

const consumeSchema = {
  body: {
    type: 'object',
    required: ['amount', 'action'],
    properties: {
      amount: { type: 'integer', minimum: 1, maximum: 1000000000000 },
      action: { type: 'string', minLength: 1, maxLength: 100 },
      reference_id: { type: 'string', minLength: 1, maxLength: 200, nullable: true },
      metadata: { type: 'object', nullable: true }
    }
  },
  response: {
    200: {
      type: 'object',
      properties: {
        data: {
          type: 'object',
          properties: {
            transaction_id: { type: 'integer' },
            consumed: { type: 'integer' },
            balance: { type: 'integer' },
            action: { type: 'string' },
            reference_id: { type: 'string', nullable: true },
            company_id: { type: 'integer', nullable: true }
          }
        }
      }
    }
  }
}

const app = fastify({ logger: false })

// Who asks; otherwise 401, and undefined.
function claimsOf (request, reply) {
  try {
    return verify((request.headers.authorization || '').slice(7))
  } catch {
    reply.code(401).send({ error: { code: 'AUTHENTICATION_ERROR' } })
  }
}

const refusals = { AS401: [401, 'AUTHENTICATION_ERROR'], AS011: [402, 'INSUFFICIENT_BALANCE'] }

app.setErrorHandler((error, request, reply) => {
  const refusal = refusals[error.code]
  if (!refusal) return reply.send(error)
  reply.code(refusal[0]).send({ error: { code: refusal[1] } })
})

app.post('/api/tokens/consume', { schema: consumeSchema }, async (request, reply) => {
  const claims = claimsOf(request, reply)
  if (!claims) return reply
  const { amount, action, reference_id: reference = null, metadata = null } = request.body
  const rows = await rowsOf('consume', consume, claims, { amount, action, reference_id: reference, metadata, company_id: null })
  if (!rows.length) return reply.code(402).send({ error: { code: 'INSUFFICIENT_BALANCE' } })
  return { data: rows[0] }
})

app.get('/api/v1/app/projects', { schema }, async (request, reply) => {
  const claims = claimsOf(request, reply)
  if (!claims) return reply
  const rows = await rowsOf('list', list, claims, request.query)
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
