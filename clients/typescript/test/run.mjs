// All files of tests in one process: `node run.mjs`, in a directory with node_modules/ashlar (t/clients/sdk.t makes it).
import { readdirSync } from 'node:fs'

const here = new URL('.', import.meta.url)
const [wanted = ''] = process.argv.slice(2)
for (const file of readdirSync(here).filter((name) => name.endsWith('.test.mjs') && name.includes(wanted)).sort()) await import(new URL(file, here))
