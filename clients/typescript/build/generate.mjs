// Write a module for each surface: its nouns, each of them the lines that the client asks by, and the types of the calls, with what
// the document says of each for whoever hovers over it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lineOf, operationsOf } from './operations.mjs'

const pascal = (name) => name[0].toUpperCase() + name.slice(1)
const byName = (a, b) => (a.name < b.name ? -1 : 1)

function typeOf({ id, list, isFile, stream }) {
  if (stream === 'always') return `StreamCall<'${id}'>`
  if (stream) return `TellingCall<'${id}'>`
  return list ? `${isFile ? 'File' : 'List'}Call<'${id}', '${list.rows}'>` : `Call<'${id}'>`
}

function comment({ summary, description, method, path }) {
  const lines = [summary, '', ...(description ? [description, ''] : []), `\`${method} ${path}\``]
  return ['  /**', ...lines.map((line) => `   * ${line}`.trimEnd().replaceAll('*/', '*\\/')), '   */'].join('\n')
}

function moduleOf(nouns, version) {
  const parts = Object.entries(nouns).sort(([a], [b]) => (a < b ? -1 : 1)).map(([noun, operations]) => {
    const sorted = operations.toSorted(byName)
    const calls = sorted.map((one) => `${comment(one)}\n  ${one.name}: ${typeOf(one)}`).join('\n')
    const lines = sorted.map((one) => `  ${one.name}: '${lineOf(one)}',`).join('\n')
    return `export interface ${pascal(noun)}Calls {\n${calls}\n}\nexport const ${noun} = {\n${lines}\n} as unknown as Noun<${pascal(noun)}Calls>\n`
  })
  const body = parts.join('\n')
  const used = ['Call', 'FileCall', 'ListCall', 'Noun', 'StreamCall', 'TellingCall'].filter((type) => new RegExp(`\\b${type}<`).test(body))
  return `// Made by clients/typescript/build/generate.mjs of the document of Ashlar ${version}.\nimport type { ${used.join(', ')} } from './types.js'\n\n${body}`
}

// Writes them to a directory, and returns the surfaces' names.
export function generate(document, directory, version) {
  const surfaces = {}
  for (const one of operationsOf(document)) (((surfaces[one.surface] ??= {})[one.noun] ??= [])).push(one)
  for (const [surface, nouns] of Object.entries(surfaces)) writeFileSync(join(directory, `${surface}.ts`), moduleOf(nouns, version))
  return Object.keys(surfaces).sort()
}
