// A list of the API, whatever its form: which member has the rows, how it is paged, and what may be asked of it, all from the
// document.
//
//	formOf(op)	{ rows, total, size, pageOf, filters, search, sorts }
//	useList(id, { path, query })	{ rows, total, isWhole, hasMore, problem, isLoading, ms, reload }
import { callOperation } from '../api/call.js'
import { operation, resolved } from '../api/document.js'
import { useCallback, useEffect, useRef, useState } from './html.js'

const PAGING = ['limit', 'page_size', 'per_page', 'page', 'skip', 'offset', 'sort_by', 'sort_order']
const SIZE = 25

export function formOf(op) {
  const schema = resolved(op, op.answer.schema)
  const members = schema.properties ?? {}
  const rows = schema.type === 'array' ? null : Object.keys(members).find((name) => resolved(op, members[name]).type === 'array')
  const queries = op.parameters.filter((one) => one.in === 'query')
  const of = (...names) => queries.find(({ name }) => names.includes(name))
  const limit = of('limit', 'page_size', 'per_page')
  const start = of('skip', 'offset')
  return {
    rows,
    // A page is asked for where there is a way to go to the next one.
    size: limit && (start || of('page')) ? Math.min(SIZE, limit.schema.maximum ?? SIZE) : 0,
    pageOf: (page, size) => ({ ...(limit && { [limit.name]: size }), ...(start ? { [start.name]: (page - 1) * size } : of('page') ? { page } : {}) }),
    search: of('search', 'q')?.name,
    sorts: of('sort_by')?.schema.enum ?? [],
    filters: queries.filter(({ name }) => !PAGING.includes(name) && name !== 'search' && name !== 'q'),
  }
}

const totalOf = (data) => (Array.isArray(data) ? undefined : data.total ?? data.meta?.total)

export function useList(id, { path = {}, query = {}, page = 1 } = {}) {
  const op = operation(id)
  const form = formOf(op)
  const [state, set] = useState({ rows: [], isLoading: true })
  const asked = useRef(0)
  const at = form.size ? page : 1 // what is all here is turned over in the table
  const key = JSON.stringify([id, path, query, at])
  const reload = useCallback(async () => {
    const turn = ++asked.current
    set((before) => ({ ...before, isLoading: true }))
    const answer = await callOperation(id, { path, query: { ...query, ...form.pageOf(at, form.size || undefined) } })
    if (turn !== asked.current) return // somebody has gone on to another page
    if (!answer.ok) {
      set({ rows: [], isLoading: false, problem: answer.problem })
      return
    }
    const rows = form.rows ? answer.data[form.rows] : answer.data
    const total = totalOf(answer.data)
    const before = (at - 1) * form.size
    const hasMore = form.size > 0 && (total === undefined ? rows.length === form.size : before + rows.length < total)
    set({ rows, total, hasMore, isWhole: at === 1 && !hasMore, isLoading: false, ms: answer.ms, data: answer.data })
  }, [key])
  useEffect(() => {
    reload()
    return () => { asked.current++ }
  }, [reload])
  return { ...state, form, reload }
}
