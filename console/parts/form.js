// A form of an operation, made from its schema: what it asks for, what may be filled in, and what the server says is wrong, beside
// the field that it names.
//
//	id		the operation
//	path		what its path wants
//	values		what stands in it: of a change, the row, of which only what differs is sent
//	fields		which, and in which order; left out: all
//	labels		{ name: text }
//	preset		what is sent beside them
//	headers		such as If-Match
//	action		what the button says
//	onDone(data, answer)	when it was taken
import { callOperation } from '../api/call.js'
import { operation, resolved } from '../api/document.js'
import { html, useRef, useState } from './html.js'
import { Field, fromText, kindOf, toText } from './field.js'
import { Problem } from './problem.js'

function fieldsOf(op, names) {
  const schema = resolved(op, op.body ?? {})
  const properties = schema.properties ?? {}
  return (names ?? Object.keys(properties)).filter((name) => properties[name]).map((name) => {
    const one = resolved(op, properties[name])
    const property = one.items ? { ...one, items: resolved(op, one.items) } : one
    return { name, schema: property, kind: kindOf(property), required: schema.required?.includes(name) ?? false }
  })
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

export function Form({ id, path, values, fields: names, labels = {}, preset, headers, action = 'Save', onDone, children }) {
  const op = operation(id)
  const [fields] = useState(() => fieldsOf(op, names))
  const begin = Object.fromEntries(fields.map(({ name, kind, schema }) => [name, toText(kind, values ? values[name] : schema.default)]))
  const [texts, set] = useState(begin)
  const [errors, setErrors] = useState({})
  const [problem, setProblem] = useState(null)
  const [isBusy, setBusy] = useState(false)
  const form = useRef()

  // The first that is wrong has the focus, once it is marked.
  function refuse(found) {
    setErrors(found)
    const [first] = Object.keys(found)
    requestAnimationFrame(() => form.current?.querySelector(`[name="${CSS.escape(first)}"]`)?.focus())
  }

  function read() {
    const wrong = {}
    const body = {}
    for (const { name, kind, schema } of fields) {
      const control = form.current.elements.namedItem(name)
      if (control?.validity && !control.validity.valid) wrong[name] = control.validationMessage
      try {
        const value = fromText(kind, texts[name], schema)
        const isAsItWas = values ? same(value ?? null, values[name] ?? null) || same(texts[name], begin[name]) : same(texts[name], toText(kind, undefined)) || (value === null && !texts[name])
        if (value !== undefined && !isAsItWas) body[name] = value
      } catch (error) {
        wrong[name] ??= error.message
      }
    }
    return { wrong, body }
  }

  async function submit(event) {
    event.preventDefault()
    setProblem(null)
    const { wrong, body } = read()
    if (Object.keys(wrong).length) return refuse(wrong)
    setErrors({})
    setBusy(true)
    const answer = await callOperation(id, { path, headers, body: op.body ? { ...body, ...preset } : undefined })
    setBusy(false)
    if (answer.ok) return onDone?.(answer.data, answer)
    const { field, message } = answer.problem
    const own = field && fields.find(({ name }) => name === field.split(/[.[]/)[0])
    if (own) return refuse({ [own.name]: message })
    return setProblem(answer.problem)
  }

  return html`<form ref=${form} class="form" onSubmit=${submit} novalidate aria-busy=${isBusy ? 'true' : 'false'}>
    <${Problem} problem=${problem} />
    ${fields.map(({ name, schema, required }) => html`<${Field} key=${name} name=${name} label=${labels[name]} schema=${schema} value=${texts[name]} error=${errors[name]}
      required=${required && !values} onChange=${(value) => set((before) => ({ ...before, [name]: value }))} />`)}
    ${children}
    <p class="row"><button disabled=${isBusy}>${isBusy ? 'One moment …' : action}</button></p>
  </form>`
}
