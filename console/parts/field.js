// One field of a form, by its schema: what it is filled in with, and how what is filled in becomes JSON.
//
//	kindOf(schema)		its kind; a boolean with .isOpen may be left unsaid, a text with .isSecret is not shown
//	toText(kind, value)	how a value of the API stands in the field
//	fromText(kind, text, schema)	the value that is sent; undefined: nothing is; throws where the text means nothing
import { html, useId } from './html.js'
import { words } from './values.js'

export const typeOf = (schema) => [schema.type].flat().find((type) => type !== 'null')
export const isNullable = (schema) => [schema.type].flat().includes('null')

export function kindOf(schema) {
  const type = typeOf(schema)
  if (schema.enum) return 'choice'
  if (type === 'boolean') return schema.isOpen ? 'maybe' : 'yes'
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'array') return schema.items?.enum ? 'choices' : ['string', 'integer', 'number'].includes(typeOf(schema.items ?? {})) ? 'lines' : 'json'
  if (type === 'object' || !type) return 'json'
  return (schema.maxLength ?? 0) > 300 && !schema.format && !schema.isSecret ? 'long' : 'text'
}

export function toText(kind, value) {
  if (kind === 'yes') return Boolean(value)
  if (kind === 'choices') return value ?? []
  if (value === null || value === undefined) return ''
  if (kind === 'lines') return value.join('\n')
  if (kind === 'json') return JSON.stringify(value, null, 2)
  return String(value)
}

export function fromText(kind, text, schema) {
  if (kind === 'yes' || kind === 'choices') return text
  if (kind === 'lines') {
    const lines = text.split('\n').map((line) => line.trim()).filter(Boolean)
    return typeOf(schema.items) === 'string' ? lines : lines.map(Number)
  }
  if (kind === 'maybe') return text === '' ? undefined : text === 'yes'
  if (text === '') return isNullable(schema) ? null : undefined
  if (kind === 'number') return Number(text)
  if (kind === 'json') {
    try { return JSON.parse(text) } catch (error) { throw new Error(`This is no JSON: ${error.message}`) }
  }
  if (schema.format === 'date-time') return new Date(text).toISOString()
  return text
}

const INPUT = { email: 'email', uri: 'url', date: 'date', 'date-time': 'datetime-local' }

function Control({ id, name, kind, schema, value, onChange, required, described, isWrong }) {
  const common = { id, name, 'aria-describedby': described, 'aria-invalid': isWrong ? 'true' : undefined, required }
  const change = (event) => onChange(event.target.value)
  const example = schema.examples?.[0]
  const hint = example === undefined || typeof example === 'object' ? undefined : String(example)
  if (kind === 'yes') return html`<input ...${common} required=${false} type="checkbox" checked=${value} onChange=${(event) => onChange(event.target.checked)} />`
  if (kind === 'maybe') {
    return html`<select ...${common} value=${value} onChange=${change}><option value="">as usual</option><option value="yes">yes</option><option value="no">no</option></select>`
  }
  if (kind === 'choice') {
    return html`<select ...${common} value=${value} onChange=${change}>
      ${(!required || value === '') && html`<option value="">${isNullable(schema) || !required ? 'none' : 'choose …'}</option>`}
      ${schema.enum.filter((one) => one !== null).map((one) => html`<option value=${String(one)}>${words(one)}</option>`)}
    </select>`
  }
  if (kind === 'lines') return html`<textarea ...${common} rows="3" value=${value} onInput=${change} placeholder=${Array.isArray(example) ? example.join('\n') : undefined} spellcheck="false"></textarea>`
  if (kind === 'json') return html`<textarea ...${common} class="code" rows="5" value=${value} onInput=${change} spellcheck="false"></textarea>`
  if (kind === 'long') return html`<textarea ...${common} rows="4" value=${value} onInput=${change} maxlength=${schema.maxLength} minlength=${schema.minLength}></textarea>`
  if (kind === 'number') return html`<input ...${common} type="number" value=${value} onInput=${change} min=${schema.minimum} max=${schema.maximum} step=${typeOf(schema) === 'integer' ? 1 : 'any'} placeholder=${hint} />`
  const { isSecret } = schema
  return html`<input ...${common} type=${isSecret ? 'password' : INPUT[schema.format] ?? 'text'} value=${value} onInput=${change} placeholder=${isSecret ? undefined : hint}
    minlength=${schema.minLength} maxlength=${schema.maxLength} autocomplete=${isSecret ? 'new-password' : 'off'} />`
}

export function Field({ name, label, schema, value, onChange, required, error }) {
  const id = useId()
  const kind = kindOf(schema)
  const about = [schema.description, kind === 'lines' && 'One a line.'].filter(Boolean).join('. ').replace('..', '.')
  const described = [about && `${id}-about`, error && `${id}-error`].filter(Boolean).join(' ') || undefined
  const text = html`${label ?? words(name)}${required && kind !== 'yes' && html` <span class="faint">(needed)</span>`}`
  const beside = html`${about && html`<p class="about" id=${`${id}-about`}>${about}</p>`}${error && html`<p class="wrong" id=${`${id}-error`}>${error}</p>`}`
  if (kind === 'choices') {
    const toggle = (one, isOn) => onChange(isOn ? [...value, one] : value.filter((other) => other !== one))
    return html`<fieldset class="field" aria-describedby=${described}><legend>${text}</legend>${beside}
      ${schema.items.enum.map((one) => html`<label class="choice" key=${one}><input type="checkbox" name=${name} checked=${value.includes(one)} onChange=${(event) => toggle(one, event.target.checked)} /> ${one}</label>`)}
    </fieldset>`
  }
  const control = html`<${Control} id=${id} name=${name} kind=${kind} schema=${schema} value=${value} onChange=${onChange} required=${required} described=${described} isWrong=${error} />`
  return kind === 'yes'
    ? html`<div class="field"><label class="choice" for=${id}>${control} ${text}</label>${beside}</div>`
    : html`<div class="field"><label for=${id}>${text}</label>${control}${beside}</div>`
}
