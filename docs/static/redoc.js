// ReDoc over the document beside it, in the reader's own fonts.  It draws all that
// it is given at once, so it is given one domain's operations: of a thousand it
// makes 800,000 elements, and takes a minute.
const named = (id) => document.getElementById(id)

// The operations of a document by the domain that they are of, which is their tag; webhooks are one more.
function domainsOf(spec) {
  const domains = new Map(spec.tags.map((tag) => [tag.name, []]))
  for (const path of Object.values(spec.paths))
    for (const operation of Object.values(path)) domains.get(operation.tags[0]).push(operation.operationId)
  domains.set('webhooks', Object.values(spec.webhooks).map((item) => item.post.operationId))
  return domains
}

// What of a document is about one domain.  Schemas are only drawn where they are referred to.
function partOf(spec, domain) {
  const paths = {}
  for (const [path, item] of Object.entries(spec.paths)) {
    const own = Object.entries(item).filter(([, operation]) => operation.tags[0] === domain)
    if (own.length) paths[path] = Object.fromEntries(own)
  }
  return { ...spec, paths, tags: spec.tags.filter((tag) => tag.name === domain), webhooks: domain === 'webhooks' ? spec.webhooks : {} }
}

// The domain that the address asks for: by its name, or by one of its operations, as ReDoc links to them.
function asked(domains) {
  const operation = decodeURIComponent(location.hash).replace(/.*operation\//, '')
  const of = [...domains].find(([, operations]) => operations.includes(operation))
  const name = new URLSearchParams(location.search).get('domain')
  return of ? of[0] : domains.has(name) ? name : [...domains.keys()][0]
}

addEventListener('DOMContentLoaded', async () => {
  const spec = await (await fetch('/openapi.json')).json()
  const domains = domainsOf(spec)
  const domain = asked(domains)
  for (const [name, operations] of domains) named('domain').add(new Option(`${name} (${operations.length})`, name, false, name === domain))
  named('domain').addEventListener('change', () => { location.href = `/redoc?domain=${encodeURIComponent(named('domain').value)}` })
  named('domains').hidden = false
  const sans = 'system-ui, sans-serif'
  const mono = 'ui-monospace, monospace'
  Redoc.init(partOf(spec, domain), {
    hideDownloadButton: true,
    nativeScrollbars: true,
    requiredPropsFirst: true,
    theme: {
      colors: { primary: { main: '#0b625c' } },
      typography: { fontFamily: sans, headings: { fontFamily: sans }, code: { fontFamily: mono } },
    },
  }, named('viewer'))
})
