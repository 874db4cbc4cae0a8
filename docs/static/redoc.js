// ReDoc over a group of operations, or over one of them, in the reader's own fonts and the page's colours.
import { night, view } from '/viewers.js'

const style = getComputedStyle(document.documentElement)
const of = (name) => style.getPropertyValue(name).trim()

// It decides on its colours once.
night.addEventListener('change', () => location.reload())

view({
  bundle: '/vendor/redoc.standalone.js',
  isAlone: true,
  draw: (part) => globalThis.Redoc.init(part, {
    disableSearch: true,
    hideDownloadButton: true,
    nativeScrollbars: true,
    requiredPropsFirst: true,
    theme: {
      sidebar: { width: '0px', backgroundColor: of('--paper'), textColor: of('--ink') },
      colors: {
        primary: { main: of('--accent') },
        text: { primary: of('--ink'), secondary: of('--faint') },
        border: { dark: of('--edge'), light: of('--line') },
        success: { main: of('--get') },
        error: { main: of('--delete') },
        warning: { main: of('--post') },
        gray: { 50: of('--stone'), 100: of('--line') },
      },
      schema: { linesColor: of('--edge'), nestedBackground: of('--stone'), typeNameColor: of('--faint'), typeTitleColor: of('--faint'), requireLabelColor: of('--delete') },
      typography: {
        fontFamily: of('--sans'),
        headings: { fontFamily: of('--sans') },
        code: { fontFamily: of('--mono'), color: of('--ink'), backgroundColor: of('--stone') },
        links: { color: of('--accent'), visited: of('--accent'), hover: of('--accent') },
      },
    },
  }, document.getElementById('viewer')),
})
