// The TypeScript of the guide's pages: what stands beside commands is compiled under "strict" against the package of this build, and run,
// a page after the other.
//
//	node guide_typescript.mjs PAGES	in a directory with node_modules/ashlar
//
// PAGES is a file of JSON: { url, directory, secret, pages: [{ name, scripts: [text], given: { name: value }, replace, token, team, other, who }] }.
// A page's boxes are one function, in their order.  It has the clients that the guide speaks of: ashlar, a user's (token, or who signs in);
// team, of the dashboard (team; other of another tenant), and server, with the secret key; and what its commands have as variables.  With
// act() something else happens in between (t/lib/Ashlar/Asked.pm).  Prints a line of JSON: problems of the compiler, and for each page what
// was said and thrown.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import ts from 'typescript'
import WebSocket from 'ws'
import { noteBytes } from './answers.mjs'

globalThis.WebSocket ??= WebSocket
let acts = 0
globalThis.act = async (...what) => {
  const file = join(directory, 'asked', String(++acts))
  writeFileSync(`${file}.new`, JSON.stringify(what))
  renameSync(`${file}.new`, `${file}.ask`)
  while (!existsSync(`${file}.done`)) await sleep(20)
  const [answer] = JSON.parse(readFileSync(`${file}.done`, 'utf8'))
  rmSync(`${file}.done`)
  return answer
}
// Every answer is compared with the reference, whichever client of a page asked; a stream has no end.
const plain = globalThis.fetch
globalThis.fetch = async (address, init = {}) => {
  const response = await plain(address, init)
  if (init.headers?.Accept !== 'text/event-stream') noteBytes(init.method ?? 'GET', String(address), response, Buffer.from(await response.clone().arrayBuffer()))
  return response
}
const { url, directory, secret, pages } = JSON.parse(readFileSync(process.argv[2], 'utf8'))

// The imports of a page's boxes stand in front; the client's are made here.
function sourceOf({ scripts, given, replace = {} }) {
  const text = Object.entries(replace).reduce((all, [from, to]) => all.replaceAll(from, to), scripts.join('\n'))
  const lines = text.split('\n')
  const imports = [...new Set(lines.filter((line) => /^import .* from '/.test(line)))]
  const body = lines.filter((line) => !/^import .* from '/.test(line)).join('\n')
  const isMade = /\bconst ashlar = createClient/.test(body)
  return [
    ...imports,
    'declare function act(...what: string[]): Promise<string>',
    ...(isMade ? [] : [
      `import type { Client, Bound } from 'ashlar'`,
      ...['app', 'platform', 'workspace', 'operations', 'observability'].map((surface) => `import type * as ${surface}_ from 'ashlar/${surface}'`),
      'type All = { app: typeof app_, platform: typeof platform_, workspace: typeof workspace_, operations: typeof operations_, observability: typeof observability_ }',
    ]),
    `export async function run(${isMade ? '' : 'ashlar: Client & Bound<All>, team: Client & Bound<All>, server: Client & Bound<All>, other: Client & Bound<All>, '}{ ${Object.keys(given).join(', ')} }: Record<${Object.keys(given).map((each) => `'${each}'`).join(' | ') || 'never'}, string>) {`,
    body.replaceAll('https://localhost:8443', url).replaceAll(/'([ps])k_live_…'/g, (_, kind) => `'${given[`${kind}k`] ?? `${kind}k_live_x`}'`),
    '}',
    '',
  ].join('\n')
}

writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
const files = pages.map((page) => join(directory, `page_${page.name.replaceAll('-', '_')}.ts`))
for (const [n, page] of pages.entries()) writeFileSync(files[n], sourceOf(page))
const program = ts.createProgram(files, {
  strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'], types: [], skipLibCheck: true,
})
const problems = ts.getPreEmitDiagnostics(program).map(({ file, start, code, messageText }) => {
  const line = file ? file.getLineAndCharacterOfPosition(start).line : 0
  return `${file?.fileName.split('/').at(-1)}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, ' ')}: ${file?.text.split('\n')[line]}`
})
program.emit()

const { createClient, memoryStorage } = await import('ashlar')
const surfaces = Object.fromEntries(await Promise.all(['app', 'platform', 'workspace', 'operations', 'observability'].map(async (name) => [name, await import(`ashlar/${name}`)])))
const log = console.log
const ran = {}
for (const [n, page] of pages.entries()) {
  const said = []
  console.log = (...words) => said.push(words.map((word) => (typeof word === 'object' ? JSON.stringify(word) : String(word))).join(' '))
  const client = (options) => createClient({ url, storage: memoryStorage(), ...options }, surfaces)
  const clients = [client({ key: secret, token: page.token }), client({ token: page.team, team: true }), client({ key: secret }), client({ token: page.other, team: true })]
  try {
    if (page.who) await clients[0].auth.signIn(page.who)
    const { run } = await import(files[n].replace(/ts$/, 'js'))
    await (run.length === 1 ? run(page.given) : run(...clients, page.given))
    ran[page.name] = { said }
  } catch (error) {
    ran[page.name] = { said, error: String(error?.stack ?? error), details: error?.details }
  }
}
console.log = log
console.log(JSON.stringify({ problems, ran }))
process.exit(0)
