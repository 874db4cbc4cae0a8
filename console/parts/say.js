// What happened, said once for eyes and for screen readers: say('The key is revoked').
import { html, useEffect, useState } from './html.js'

let show = null

export const say = (text) => show?.(text)

export function Said() {
  const [said, set] = useState({ text: '', count: 0 })
  useEffect(() => {
    show = (text) => set(({ count }) => ({ text, count: count + 1 }))
    return () => { show = null }
  }, [])
  useEffect(() => {
    if (!said.text) return undefined
    const timer = setTimeout(() => set({ ...said, text: '' }), 6000)
    return () => clearTimeout(timer)
  }, [said.count])
  return html`<p class="said" role="status">${said.text}</p>`
}
