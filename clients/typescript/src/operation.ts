// An operation, as the generated lines have it: build/operations.mjs says what stands in one.

export interface Plan {
  method: string, path: string, isRepeatable: boolean
  body: 'json' | 'form' | undefined
  query: string[]
  isBytes: boolean
  /** What is asked for in the place of JSON. */
  accept: string | undefined
  list: { rows: string, place: string | undefined, size: string | undefined, usual: number } | undefined
  /** "text": asked for, and its events are plain text */
  stream: 'asked' | 'text' | 'always' | undefined
}

export function planOf(line: string): Plan {
  const [method = '', path = '', ...words] = line.split(' ')
  const has = (word: string) => words.includes(word)
  const after = (mark: string) => words.find((word) => word[0] === mark)?.slice(1).split(',')
  const list = after('*')
  return {
    method, path, isRepeatable: has('K'), body: has('B') ? 'json' : has('F') ? 'form' : undefined, query: after('?') ?? [], isBytes: has('D'),
    accept: has('D') || has('X') ? '*/*' : undefined, list: list && { rows: list[0] ?? '', place: list[1], size: list[2], usual: Number(list[3] ?? 0) },
    stream: has('S') ? 'always' : has('A') ? 'asked' : has('T') ? 'text' : undefined,
  }
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
