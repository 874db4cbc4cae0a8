// ReDoc over the document beside it, in the reader's own fonts.
addEventListener('DOMContentLoaded', () => {
  const sans = 'system-ui, sans-serif'
  const mono = 'ui-monospace, monospace'
  Redoc.init('/openapi.json', {
    hideDownloadButton: true,
    nativeScrollbars: true,
    requiredPropsFirst: true,
    theme: {
      colors: { primary: { main: '#0f5c5c' } },
      typography: { fontFamily: sans, headings: { fontFamily: sans }, code: { fontFamily: mono } },
    },
  }, document.getElementById('viewer'))
})
