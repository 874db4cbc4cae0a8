// What a page shows of one answer: <${Load} id path query>${(data, reload, answer) => …}</>, with its waiting and what went wrong.
import { callOperation } from '../api/call.js'
import { html, useCallback, useEffect, useRef, useState } from './html.js'
import { Problem } from './problem.js'

export function useAnswer(id, request = {}) {
  const [answer, set] = useState(null)
  const turn = useRef(0)
  const key = JSON.stringify([id, request])
  const reload = useCallback(async () => {
    const mine = ++turn.current
    const found = await callOperation(id, request)
    if (mine === turn.current) set(found)
  }, [key])
  useEffect(() => {
    set(null)
    reload()
    return () => { turn.current++ }
  }, [reload])
  return [answer, reload]
}

export function Load({ id, path, query, children }) {
  const [answer, reload] = useAnswer(id, { path, query })
  if (!answer) return html`<p class="empty" aria-busy="true">Loading …</p>`
  if (!answer.ok) return html`<${Problem} problem=${answer.problem} retry=${reload} />`
  return children(answer.data, reload, answer)
}
