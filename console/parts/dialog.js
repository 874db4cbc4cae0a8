// Dialogs, as the browser has them: <dialog> keeps the focus inside, gives it back, and ends by Escape.
//
//	<${Dialog} title onClose>…<//>		what is in it, while it is drawn
//	await confirm({ title, text, action, danger })	true when it was meant
//	await reveal({ title, text, secret })	what is shown once, to be copied
//
// The two that are awaited are drawn by <${Asked} />, which stands once in the frame.
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from './html.js'

export function Dialog({ title, onClose, children, wide }) {
  const dialog = useRef()
  const id = useId()
  useLayoutEffect(() => {
    const had = document.activeElement
    dialog.current.showModal()
    // Once it is gone: behind an open dialog nothing can have the focus.
    return () => queueMicrotask(() => had?.isConnected && had.focus())
  }, [])
  return html`<dialog ref=${dialog} class=${wide ? 'wide' : ''} aria-labelledby=${id} onClose=${onClose} onCancel=${(event) => { event.preventDefault(); onClose() }}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`
}

let show = null

const ask = (what) => new Promise((done) => show({ ...what, done }))
export const confirm = (what) => ask({ kind: 'confirm', ...what })
export const reveal = (what) => ask({ kind: 'reveal', ...what })

export function Asked() {
  const [what, set] = useState(null)
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    show = (next) => { setCopied(false); set(next) }
    return () => { show = null }
  }, [])
  if (!what) return null
  const end = (answer) => { set(null); what.done(answer) }
  if (what.kind === 'reveal') {
    const copy = async () => { await navigator.clipboard.writeText(what.secret); setCopied(true) }
    return html`<${Dialog} key="reveal" title=${what.title} onClose=${() => end(true)}>
      <p>${what.text}</p>
      <p class="secret"><code>${what.secret}</code></p>
      <p role="status" class="faint">${isCopied ? 'Copied.' : ''}</p>
      <p class="row"><button type="button" onClick=${copy}>Copy</button><button type="button" class="other" onClick=${() => end(true)}>Done</button></p>
    <//>`
  }
  return html`<${Dialog} key="confirm" title=${what.title} onClose=${() => end(false)}>
    <p>${what.text}</p>
    <p class="row"><button type="button" class=${what.danger ? 'danger' : ''} onClick=${() => end(true)}>${what.action}</button><button type="button" class="other" autofocus onClick=${() => end(false)}>Cancel</button></p>
  <//>`
}
