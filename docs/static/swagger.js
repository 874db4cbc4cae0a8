// Swagger UI over a group of operations.  Another one is shown in its place, so that who has authorized remains so.
import { night, view } from '/viewers.js'

const shade = () => document.documentElement.classList.toggle('dark-mode', night.matches)
night.addEventListener('change', shade)
shade()

let ui
view({
  bundle: '/vendor/swagger-ui-bundle.js',
  isInPlace: true,
  draw(part, operation) {
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
