// npm's openai and @anthropic-ai/sdk against our gateway, as programs use them.
//
//	node t/clients/models.mjs URL KEY	prints one JSON object, what they saw

import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'

const [url, key] = process.argv.slice(2)
const openai = new OpenAI({ baseURL: `${url}/api/v1/openai`, apiKey: key, maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: `${url}/api/v1/anthropic`, apiKey: key, maxRetries: 0 })
const hello = [{ role: 'user', content: 'What is a harbour?' }]
const parameters = { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] }
const seen = {}

// What a call fails with, as the client types it.
async function refused(promise) {
	try {
		await promise
		return 'nothing'
	} catch (error) {
		return { type: error.constructor.name, status: error.status, code: error.code ?? error.error?.error?.code }
	}
}

const steps = {
	async whole() {
		const completion = await openai.chat.completions.create({ model: 'claude-sonnet', messages: hello })
		const message = await anthropic.messages.create({ model: 'gpt-4o', max_tokens: 50, messages: hello })
		return [completion.choices[0].message.content, completion.model, completion.usage.total_tokens, message.content[0].text, message.model, message.usage.output_tokens]
	},
	async streams() {
		let text = ''
		const usage = []
		for await (const chunk of await openai.chat.completions.create({ model: 'gpt-4o', messages: hello, stream: true, stream_options: { include_usage: true } })) {
			text += chunk.choices[0]?.delta?.content ?? ''
			if (chunk.usage) usage.push(chunk.usage.total_tokens)
		}
		const helper = openai.chat.completions.stream({ model: 'claude-sonnet', messages: hello })
		const pieces = []
		helper.on('content', (piece) => pieces.push(piece))
		const final = await helper.finalChatCompletion()
		const other = anthropic.messages.stream({ model: 'gpt-4o', max_tokens: 50, messages: hello })
		const events = new Set()
		other.on('streamEvent', (event) => events.add(event.type))
		const message = await other.finalMessage()
		return [text, usage, pieces.join(''), final.choices[0].finish_reason, message.content[0].text, message.stop_reason, message.usage.output_tokens, [...events].sort()]
	},
	async tools() {
		const tool = { type: 'function', function: { name: 'weather', description: 'Tells the weather', parameters } }
		const runner = openai.chat.completions.runTools({ model: 'claude-sonnet', messages: hello, stream: true, tools: [{ ...tool, function: { ...tool.function, parse: JSON.parse, function: ({ place }) => `rain in ${place}` } }] })
		const said = await runner.finalContent()
		const stream = anthropic.messages.stream({ model: 'gpt-4o', max_tokens: 50, messages: hello, tools: [{ name: 'weather', description: 'Tells the weather', input_schema: parameters }] })
		const message = await stream.finalMessage()
		return [said, runner.messages.filter(({ role }) => role === 'tool').map(({ content }) => content), message.stop_reason, message.content.map(({ type, name, input }) => ({ type, name, input }))]
	},
	async responses() {
		const whole = await openai.responses.create({ model: 'claude-sonnet', input: 'What is a harbour?', instructions: 'Be short.' })
		const stream = openai.responses.stream({ model: 'gpt-4o', input: hello })
		let text = ''
		stream.on('response.output_text.delta', ({ delta }) => (text += delta))
		const final = await stream.finalResponse()
		return [whole.output_text, whole.status, text, final.output_text, final.usage.total_tokens]
	},
	async turns() {
		const one = await openai.responses.create({ model: 'claude-sonnet', input: 'What is a harbour?' })
		const two = await openai.responses.create({ model: 'gpt-4o', input: 'And a pier?', previous_response_id: one.id })
		const stream = openai.responses.stream({ model: 'gpt-4o', input: 'And a quay?', previous_response_id: two.id })
		const three = await stream.finalResponse()
		await openai.responses.delete(three.id)
		const gone = await refused(openai.responses.create({ model: 'gpt-4o', input: 'And?', previous_response_id: three.id }))
		return [two.output_text, two.previous_response_id === one.id, three.output_text, gone.status]
	},
	async functions() {
		const stream = openai.responses.stream({ model: 'claude-sonnet', input: hello, tools: [{ type: 'function', name: 'weather', description: 'Tells the weather', parameters, strict: false }] })
		let pieces = ''
		stream.on('response.function_call_arguments.delta', ({ delta }) => (pieces += delta))
		const { output } = await stream.finalResponse()
		const next = await openai.responses.create({ model: 'gpt-4o', input: [...hello, ...output, { type: 'function_call_output', call_id: output[0].call_id, output: 'rain' }] })
		return [pieces, output.map(({ type, name }) => [type, name]), next.output_text]
	},
	async embeddings() {
		const { data, usage } = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['a', 'b'] })
		return [data.map(({ embedding }) => embedding), usage.prompt_tokens]
	},
	async models() {
		const ids = []
		for await (const { id } of openai.models.list()) ids.push(id)
		return ids.filter((id) => /^(gpt-4o|sonar)$/.test(id))
	},
	async refusals() {
		const stranger = 'sk_live_' + 'x'.repeat(32)
		return [
			await refused(openai.withOptions({ apiKey: stranger }).chat.completions.create({ model: 'gpt-4o', messages: hello })),
			await refused(openai.chat.completions.create({ model: 'gpt-0', messages: hello })),
			await refused(new Anthropic({ baseURL: `${url}/api/v1/anthropic`, apiKey: stranger, maxRetries: 0 }).messages.create({ model: 'gpt-4o', max_tokens: 5, messages: hello })),
			await refused(anthropic.messages.create({ model: 'gpt-0', max_tokens: 5, messages: hello })),
		]
	},
	async broken() {
		const one = openai.chat.completions.stream({ model: 'gpt-4o', messages: hello })
		const other = anthropic.messages.stream({ model: 'gpt-4o', max_tokens: 50, messages: hello })
		return [...(await Promise.all([refused(one.finalChatCompletion()), refused(other.finalMessage())]))]
	},
	async aborted() {
		const texts = []
		const stream = await openai.chat.completions.create({ model: 'gpt-4o', messages: hello, stream: true })
		for await (const chunk of stream) {
			if (chunk.choices[0]?.delta?.content) texts.push(chunk.choices[0].delta.content)
			if (texts.length === 2) stream.controller.abort()
		}
		const other = anthropic.messages.stream({ model: 'gpt-4o', max_tokens: 50, messages: hello })
		other.on('text', () => other.abort())
		return [texts.length, await refused(other.finalMessage())]
	},
}

for (const step of process.argv.slice(4)) seen[step] = await steps[step]()
console.log(JSON.stringify(seen))
