// Calling an operation by its id, and what went wrong with it in one form.
//
//	await callOperation(id, { path, query, body, headers })
//
// gives { ok, status, headers, data, ms, problem }; problem is { status, code, message, field, requestId, retryAfter, details }.
import { call, current } from '../session/session.js'
import { operation } from './document.js'

// What a person reads where there is no answer of the API to be shown.
const SILENT = {
  network: { code: 'NETWORK', message: 'The server could not be reached. Is this device online?' },
  timeout: { code: 'TIMEOUT', message: 'There was no answer in time. What was asked for may have happened all the same.' },
}

export function problemOf(answer) {
  if (answer.failure) return { status: 0, ...SILENT[answer.failure], details: {} }
  let error = null
  try { error = JSON.parse(answer.body).error } catch { /* not of the API */ }
  const details = error?.details ?? {}
  const after = Number(answer.headers['retry-after'])
  return {
    status: answer.status,
    code: error?.code ?? `HTTP ${answer.status}`,
    message: error?.message ?? 'The server answered with an error.',
    field: details.field,
    requestId: details.request_id ?? answer.headers['x-request-id'],
    retryAfter: Number.isFinite(after) ? after : undefined,
    details,
  }
}

export function urlOf(op, path = {}, query = {}) {
  const filled = op.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name] ?? ''))
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') asked.append(name, value)
  }
  return asked.size ? `${filled}?${asked}` : filled
}

export async function callOperation(id, { path, query, body, headers = {}, timeout } = {}) {
  const op = operation(id)
  const sent = { Accept: 'application/json', ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers }
  if (current()?.testMode && op.parameters.some(({ name }) => name === 'X-Test-Mode')) sent['X-Test-Mode'] = 'true'
  const answer = await call({ method: op.method, path: urlOf(op, path, query), headers: sent, body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body), timeout })
  const ok = answer.status >= 200 && answer.status < 300
  let data = null
  if (ok && typeof answer.body === 'string' && /json/.test(answer.headers['content-type'] ?? '')) data = JSON.parse(answer.body)
  return { ok, status: answer.status, headers: answer.headers ?? {}, body: answer.body, data, ms: answer.ms, problem: ok ? null : problemOf(answer) }
}
