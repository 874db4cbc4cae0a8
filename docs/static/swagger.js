// Swagger UI over the document beside it.  Without validatorUrl: 'none' it
// would send the document's address to a host on the internet.
addEventListener('DOMContentLoaded', () => SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#viewer',
  validatorUrl: 'none',
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: -1,
}))
