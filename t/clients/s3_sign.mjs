// Amazon's own signer for t/clients/s3.t: [method, origin, path, query, headers, time in ms, seconds] a line of JSON in, the address out.
import { createHash, createHmac } from 'node:crypto'
import { createInterface } from 'node:readline'
import { S3RequestPresigner } from '@aws-sdk/s3-request-presigner'

class Sha256 {
  constructor(secret) { this.hash = secret ? createHmac('sha256', secret) : createHash('sha256') }
  update(data) { this.hash.update(data) }
  async digest() { return this.hash.digest() }
}

const [accessKeyId, secretAccessKey, region] = process.argv.slice(2)
const signer = new S3RequestPresigner({ credentials: { accessKeyId, secretAccessKey }, region, sha256: Sha256 })

for await (const line of createInterface({ input: process.stdin })) {
  const [method, origin, path, query, headers, at, expiresIn] = JSON.parse(line)
  const url = new URL(origin)
  const signed = await signer.presign(
    { method, protocol: url.protocol, hostname: url.hostname, port: url.port ? Number(url.port) : undefined, path, query: { ...query }, headers: { ...headers, host: url.host } },
    { signingDate: new Date(at), expiresIn, signableHeaders: new Set(['host', ...Object.keys(headers)]), unhoistableHeaders: new Set(Object.keys(headers)), unsignableHeaders: new Set() },
  )
  const pairs = Object.keys(signed.query).sort().map((name) => `${escape(name)}=${escape(String(signed.query[name]))}`)
  console.log(`${origin}${signed.path}?${pairs.join('&')}`)
}

function escape(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
