// The reference as TypeScript: npm's openapi-typescript makes types of it, which typed_client.ts and typed_wrong.ts are
// compiled against under "strict"; then the first runs, with npm's openapi-fetch.
//
//	node t/clients/typed.mjs DOCUMENT DIRECTORY SERVER
//
// DOCUMENT is openapi.json, DIRECTORY one to build in, whose sources are compiled with ours; SERVER the members of Server in typed_client.ts as JSON.
// Prints a line of JSON: problems of the compiler as "file:line: TSnumber message", and which operations were asked.
import { copyFileSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import openapiTS, { astToString } from 'openapi-typescript'
import ts from 'typescript'
import { noted, notedFetch } from './answers.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const [document, directory, server] = process.argv.slice(2)

writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
symlinkSync(join(here, 'node_modules'), join(directory, 'node_modules'))
// As a module, and not as declarations, which skipLibCheck would not look at.
writeFileSync(join(directory, 'schema.ts'), astToString(await openapiTS(JSON.parse(readFileSync(document, 'utf8')))))
for (const file of ['typed_client.ts', 'typed_wrong.ts']) copyFileSync(join(here, file), join(directory, file))
const sources = readdirSync(directory).filter((file) => file.endsWith('.ts'))

const program = ts.createProgram(sources.map((file) => join(directory, file)), {
  strict: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  types: [],
  skipLibCheck: true,
})
const problems = ts.getPreEmitDiagnostics(program).map(({ file, start, code, messageText }) => {
  const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0
  return `${file ? relative(directory, file.fileName) : ''}:${line}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
})
program.emit()

const { run } = await import(join(directory, 'typed_client.js'))
const seen = await run({ ...JSON.parse(server), fetch: notedFetch }).catch((error) => ({ asked: [], bodies: [], error: error.message }))
await noted()
console.log(JSON.stringify({ problems, ...seen }))
