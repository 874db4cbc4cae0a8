// Make the package and the browser's bundle:
//
//	node build/build.mjs DOCUMENT VERSION WORK
//
//	DOCUMENT	openapi.json, as `ashlar openapi` prints it
//	VERSION	the server's, which is the package's, too
//	WORK	a directory with node_modules as package-lock.json says, of which these are made anew:
//		src/	ours, and what is generated of the document
//		package/	what npm packs: ESM and CommonJS, each with its types
//		public/	what nginx serves: the tarball, and a bundle for <script type="module">
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { generate } from './generate.mjs'
import { lean } from './lean.mjs'

const [document_file, version, work] = process.argv.slice(2)
const here = join(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(join(work, 'x.js'))
const { default: openapiTS, astToString } = await import(pathToFileURL(join(work, 'node_modules/openapi-typescript/dist/index.mjs')))
const esbuild = require('esbuild')
const document = JSON.parse(readFileSync(document_file, 'utf8'))
const src = join(work, 'src'), dist = join(work, 'package/dist'), to = join(work, 'public')
for (const directory of ['src', 'package', 'public']) rmSync(join(work, directory), { recursive: true, force: true })
cpSync(join(here, 'src'), src, { recursive: true })
mkdirSync(dist, { recursive: true })
mkdirSync(to)

// The sources: types of the document, and a module for each surface.
const surfaces = generate(document, src, version)
writeFileSync(join(src, 'schema.ts'), `// Made by npm's openapi-typescript of the document of Ashlar ${version}.\n${astToString(await openapiTS(lean(document)))}`)

// Types.  Checked under "strict" with all else that tsconfig.json asks for.
for (const file of ['tsconfig.json', 'package.json']) copyFileSync(join(here, file), join(work, file))
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', work, '--outDir', dist], { stdio: 'inherit' })

// Each module as it is, so that a bundler takes what is used; for require() the same once more.
const names = readdirSync(src).filter((file) => file.endsWith('.ts') && file !== 'browser.ts').map((file) => file.slice(0, -3))
const common = { entryPoints: names.map((name) => join(src, `${name}.ts`)), outdir: dist, target: 'es2022', platform: 'neutral', logLevel: 'warning' }
await esbuild.build({ ...common, format: 'esm' })
await esbuild.build({ ...common, format: 'cjs', outExtension: { '.js': '.cjs' } })
const asCjs = (text) => text.replace(/(['"]\.\/[\w-]+)\.js(['"])/g, '$1.cjs$2')
for (const name of names) {
  writeFileSync(join(dist, `${name}.cjs`), asCjs(readFileSync(join(dist, `${name}.cjs`), 'utf8')))
  writeFileSync(join(dist, `${name}.d.cts`), asCjs(readFileSync(join(dist, `${name}.d.ts`), 'utf8')))
}
for (const file of readdirSync(dist)) if (/^(?:browser|types|schema)\.(?:c?js|d\.ts$)/.test(file) && !/\.d\./.test(file)) rmSync(join(dist, file))

// The package.
const { name, description, license, engines } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
const entry = (module) => ({
  import: { types: `./dist/${module}.d.ts`, default: `./dist/${module}.js` },
  require: { types: `./dist/${module}.d.cts`, default: `./dist/${module}.cjs` },
})
const exports = { '.': entry('index'), ...Object.fromEntries(surfaces.map((surface) => [`./${surface}`, entry(surface)])) }
exports['./schema'] = { import: { types: './dist/schema.d.ts' }, require: { types: './dist/schema.d.cts' } }
writeFileSync(join(work, 'package/package.json'), `${JSON.stringify({ name, version, description, license, engines, type: 'module', sideEffects: false, files: ['dist'], exports }, null, 2)}\n`)
copyFileSync(join(here, 'README.md'), join(work, 'package/README.md'))
execFileSync('npm', ['pack', '--silent', '--pack-destination', to, join(work, 'package')], { stdio: ['ignore', 'ignore', 'inherit'] })

// The bundle: with all nouns, for pages without a bundler.  Versioned for ever, and under a name that stays.
writeFileSync(join(src, 'browser.ts'), [`export * from './index.js'`, ...surfaces.map((surface) => `export * as ${surface} from './${surface}.js'`), ''].join('\n'))
await esbuild.build({ entryPoints: [join(src, 'browser.ts')], outfile: join(to, `ashlar-${version}.js`), bundle: true, minify: true, format: 'esm', target: 'es2022', platform: 'browser', logLevel: 'warning' })
copyFileSync(join(to, `ashlar-${version}.js`), join(to, 'ashlar.js'))
for (const file of readdirSync(to).filter((each) => each.endsWith('.js')))
  writeFileSync(join(to, `${file}.gz`), gzipSync(readFileSync(join(to, file)), { level: 9 }))
copyFileSync(join(to, `${name}-${version}.tgz`), join(to, `${name}.tgz`))
