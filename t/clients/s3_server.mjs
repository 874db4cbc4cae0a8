// A server of S3 that others have written, with one bucket, on a free port of loopback; it ends with its standard input.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import S3rver from '@20minutes/s3rver'

const directory = mkdtempSync(join(tmpdir(), 'ashlar-s3rver-'))
const server = new S3rver({ address: '127.0.0.1', port: 0, directory, silent: true, configureBuckets: [{ name: process.argv[2] }] })
const { port } = await server.run()
console.log(port)
process.stdin.resume()
process.stdin.on('end', async () => {
  rmSync(directory, { recursive: true, force: true })
  process.exit(0)
})
