// A form of an operation, made from its schema: what it asks for, what may be filled in, and what the server says is wrong, beside
// the field that it names.
//
//	id		the operation
//	path		what its path wants; what is missing there is asked for
//	asksQuery	whether what its query takes is asked for, too
//	values		what stands in it: of a change, the row, of which only what differs is sent
//	fields		which, and in which order; left out: all
//	labels		{ name: text }
//	preset		what is sent beside them
//	headers		such as If-Match
//	action		what the button says
//	onDone(data, answer)	when it was taken
//	onAnswer(answer)	whatever came, in the place of that
import { callOperation } from '../api/call.js'
import { operation, resolved } from '../api/document.js'
import { html, useRef, useState } from './html.js'
import { Field, fromText, kindOf, toText, typeOf } from './field.js'
import { Problem } from './problem.js'

function fieldsOf(op, { names, path, asksQuery, isChange }) {
  const schema = resolved(op, op.body ?? {})
  const properties = schema.properties ?? {}
  const field = (where, name, of, required) => {
    const one = resolved(op, of)
    const property = one.items ? { ...one, items: resolved(op, one.items) } : one
    const isOpen = typeOf(property) === 'boolean' && !isChange && (property.default === undefined || where === 'query')
    const shown = { ...property, isOpen, isSecret: /password|secret|api_key/.test(name) }
    return { name, where, schema: shown, kind: kindOf(shown), required }
  }
  return [
    ...op.parameters.filter((one) => (one.in === 'path' && !(one.name in path)) || (asksQuery && one.in === 'query'))
      .map((one) => field(one.in, one.name, { description: one.description, ...resolved(op, one.schema) }, one.required)),
    ...(names ?? Object.keys(properties)).filter((name) => properties[name]).map((name) => field('body', name, properties[name], !isChange && schema.required?.includes(name))),
  ]
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

export function Form({ id, path = {}, asksQuery, values, fields: names, labels = {}, preset, headers, action = 'Save', onDone, onAnswer, children }) {
  const op = operation(id)
  const [fields] = useState(() => fieldsOf(op, { names, path, asksQuery, isChange: Boolean(values) }))
  const begin = Object.fromEntries(fields.map(({ name, kind, schema }) => [name, toText(kind, values ? values[name] : kind === 'maybe' || schema.isOpen ? undefined : schema.default)]))
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
    const sent = { path: { ...path }, query: {}, body: {} }
    for (const { name, where, kind, schema } of fields) {
      const control = form.current.elements.namedItem(name)
      if (control?.validity && !control.validity.valid) wrong[name] = control.validationMessage
      try {
        const value = fromText(kind, texts[name], schema)
        const isAsItWas = where !== 'body' ? false : values ? same(value ?? null, values[name] ?? null) || same(texts[name], begin[name]) : same(texts[name], toText(kind, undefined)) || (value === null && !texts[name])
        if (value !== undefined && value !== null && where !== 'body') sent[where][name] = value
        else if (value !== undefined && !isAsItWas) sent.body[name] = value
      } catch (error) {
        wrong[name] ??= error.message
      }
    }
    return { wrong, sent }
  }

  async function submit(event) {
    event.preventDefault()
    setProblem(null)
    const { wrong, sent } = read()
    if (Object.keys(wrong).length) return refuse(wrong)
    setErrors({})
    setBusy(true)
    const answer = await callOperation(id, { ...sent, headers, body: op.body ? { ...preset, ...sent.body } : undefined })
    setBusy(false)
    if (onAnswer) return onAnswer(answer)
    if (answer.ok) return onDone?.(answer.data, answer)
    const { field, message } = answer.problem
    const own = field && fields.find(({ name }) => name === field.split(/[.[]/)[0])
    if (own) return refuse({ [own.name]: message })
    return setProblem(answer.problem)
  }

  return html`<form ref=${form} class="form" onSubmit=${submit} novalidate aria-busy=${isBusy ? 'true' : 'false'}>
    <${Problem} problem=${problem} />
    ${fields.map(({ name, schema, required }) => html`<${Field} key=${name} name=${name} label=${labels[name]} schema=${schema} value=${texts[name]} error=${errors[name]}
      required=${required} onChange=${(value) => set((before) => ({ ...before, [name]: value }))} />`)}
    ${children}
    <p class="row"><button disabled=${isBusy}>${isBusy ? 'One moment …' : action}</button></p>
  </form>`
}
