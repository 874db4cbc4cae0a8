// Swagger UI over a group of operations.  Another one is shown in its place, so that who has authorized remains so.
import { night, view } from '/viewers.js'

const shade = () => document.documentElement.classList.toggle('dark-mode', night.matches)
night.addEventListener('change', shade)
shade()

// What is told of refusals but for their headers: sixteen are much alike, have fifteen each, and Swagger UI draws all of
// them with every operation that is opened, in 55 MiB.
function withoutHeadersOfRefusals(part) {
  const responses = { ...part.components.responses }
  const shorn = ({ headers, ...rest }) => rest
  const changed = (item) => Object.fromEntries(Object.entries(item).map(([verb, operation]) => [verb, operation.responses ? {
    ...operation,
    responses: Object.fromEntries(Object.entries(operation.responses).map(([status, response]) => {
      if (!/^[45]/.test(status)) return [status, response]
      const name = response.$ref?.replace('#/components/responses/', '')
      if (name) responses[name] = shorn(responses[name])
      return [status, name ? response : shorn(response)]
    })),
  } : operation]))
  const paths = Object.fromEntries(Object.entries(part.paths).map(([path, item]) => [path, changed(item)]))
  return { ...part, paths, components: { ...part.components, responses } }
}

let ui
view({
  bundle: '/vendor/swagger-ui-bundle.js',
  isInPlace: true,
  draw(whole, operation) {
    const part = withoutHeadersOfRefusals(whole)
    if (ui) ui.specActions.updateSpec(JSON.stringify(part))
    // Without validatorUrl: 'none' it would send the document's address to a host on the internet.
    else ui = globalThis.SwaggerUIBundle({
      spec: part,
      dom_id: '#viewer',
      validatorUrl: 'none',
      docExpansion: 'list',
      tryItOutEnabled: true,
      displayRequestDuration: true,
      defaultModelsExpandDepth: -1,
      syntaxHighlight: { activated: false },
    })
    if (!operation) return
    const item = part.paths[operation.path] ?? part.webhooks[operation.path]
    const { tags: [tag] = ['default'] } = Object.values(item).find(({ operationId }) => operationId === operation.id)
    ui.layoutActions.show(['operations', tag, operation.id], true)
    // It is drawn when React comes to it.
    const look = new MutationObserver(() => {
      const drawn = document.querySelector('#viewer .opblock.is-open')
      if (!drawn) return
      look.disconnect()
      drawn.scrollIntoView()
    })
    look.observe(document.getElementById('viewer'), { childList: true, subtree: true, attributes: true })
  },
})
