// An operation, as the generated lines have it: build/operations.mjs says what stands in one.

export interface Plan {
  method: string
  path: string
  isRepeatable: boolean
  body: 'json' | 'form' | undefined
  query: string[]
  isBytes: boolean
  list: { rows: string, place: string | undefined, size: string | undefined, usual: number } | undefined
  /** "text": asked for, and its events are plain text */
  stream: 'asked' | 'text' | 'always' | undefined
}

export function planOf(line: string): Plan {
  const [method = '', path = '', ...words] = line.split(' ')
  const plan: Plan = { method, path, isRepeatable: false, body: undefined, query: [], isBytes: false, list: undefined, stream: undefined }
  for (const word of words) {
    const rest = word.slice(1).split(',')
    if (word === 'K') plan.isRepeatable = true
    if (word === 'B') plan.body = 'json'
    if (word === 'F') plan.body = 'form'
    if (word === 'D') plan.isBytes = true
    if (word === 'S') plan.stream = 'always'
    if (word === 'A') plan.stream = 'asked'
    if (word === 'T') plan.stream = 'text'
    if (word[0] === '?') plan.query = rest
    if (word[0] === '*') plan.list = { rows: rest[0] ?? '', place: rest[1], size: rest[2], usual: Number(rest[3] ?? 0) }
  }
  return plan
}

/** What is asked for: the path with its values, the query, and the body. */
export function fill(plan: Plan, args: Record<string, unknown>): { path: string, body: unknown } {
  const rest = { ...args }
  const take = (name: string) => {
    const value = rest[name]
    delete rest[name]
    return value
  }
  let path = plan.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = take(name)
    if (value === undefined || value === null || value === '') throw new TypeError(`${plan.method} ${plan.path}: ${name} is missing`)
    return encodeURIComponent(String(value))
  })
  const query = new URLSearchParams()
  for (const name of plan.body ? plan.query : Object.keys(rest)) {
    const value = take(name)
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null) query.append(name, String(one))
  }
  if (query.size) path += `?${query}`
  return { path, body: plan.body ? rest : undefined }
}
