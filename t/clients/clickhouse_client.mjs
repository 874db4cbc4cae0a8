// ClickHouse's own client of clickhouse_server.mjs: what it is told is what it expects of a server.
import { createClient } from '@clickhouse/client'

const [port, username, password] = process.argv.slice(2)
const log = { level: 127 } // off: what fails here is meant to
const client = createClient({ url: `http://127.0.0.1:${port}`, username, password, compression: { request: true, response: false }, log })
const out = {}
const text = "x\t'y\\ {b:String} é"

out.ping = (await client.ping()).success
await client.command({ query: 'CREATE TABLE numbers_of (a Int64, b String) ENGINE = MergeTree ORDER BY a' })
await client.insert({ table: 'numbers_of', columns: ['a', 'b'], values: [{ a: 1, b: text }, { a: 2, b: 'z' }], format: 'JSONEachRow' })
out.all = await (await client.query({ query: 'SELECT count() AS n FROM numbers_of', format: 'JSONEachRow' })).json()
out.found = await (await client.query({ query: 'SELECT a FROM numbers_of WHERE b = {b:String}', query_params: { b: text }, format: 'JSONEachRow' })).json()
out.wrong = await client.query({ query: 'SELECT nope' }).catch((error) => error.code)
const stranger = createClient({ url: `http://127.0.0.1:${port}`, username, password: 'another', log })
out.stranger = await stranger.query({ query: 'SELECT 1' }).catch((error) => error.code)
console.log(JSON.stringify(out))
await client.close()
await stranger.close()
