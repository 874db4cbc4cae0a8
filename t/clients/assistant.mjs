// An assistant, as the protocol's own SDK makes them (@modelcontextprotocol/sdk), asks over both transports.
//
//	node t/clients/assistant.mjs SERVER ASHLAR	prints what it saw, by transport
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { notedFetch } from './answers.mjs';

const [, , server, ashlar] = process.argv;

const text = ({ content, isError = false }) => ({ text: content.map((piece) => piece.text).join('\n'), isError });

// What a promise is refused with.
const refusal = (promise) => promise.then(() => 'answered', ({ code, message }) => ({ code, message }));

async function see(transport) {
	const client = new Client({ name: 'test', version: '1.0.0' });
	await client.connect(transport);
	const seen = { server: client.getServerVersion(), instructions: client.getInstructions(), version: transport.protocolVersion ?? null };
	const { tools } = await client.listTools();
	seen.tools = tools;
	const call = (name, args = {}) => client.callTool({ name, arguments: args }).then(text);
	seen.answers = {};
	for (const name of ['get_api_overview', 'get_end_user_endpoints', 'get_request_headers', 'get_sdk_template', 'get_openapi_spec', 'get_authentication_flow', 'get_common_patterns'])
		seen.answers[name] = await call(name);
	const { enum: categories } = tools.find(({ name }) => name === 'get_end_user_endpoints').inputSchema.properties.category;
	seen.categories = Object.fromEntries(await Promise.all(categories.map(async (category) => [category, await call('get_end_user_endpoints', { category })])));
	seen.search = await call('search_endpoints', { query: 'reset a forgotten password' });
	seen.endpoint = await call('get_endpoint_details', { path: '/api/v1/auth/login' });
	seen.shorter = await call('get_endpoint_details', { path: '/v1/auth/login', method: 'POST' });
	seen.filled = await call('get_endpoint_details', { path: '/api/v1/plans/0193a1b2-0000-7000-8000-000000000001' });
	seen.unknown = {
		category: await call('get_end_user_endpoints', { category: 'weather' }),
		path: await call('get_endpoint_details', { path: '/api/v1/auth/logon' }),
		method: await call('get_endpoint_details', { path: '/api/v1/auth/login', method: 'DELETE' }),
		words: await call('search_endpoints', { query: 'zyxwv' }),
		argument: await call('get_api_overview', { path: '/' }),
		tool: await refusal(client.callTool({ name: 'get_weather', arguments: {} })),
		resource: await refusal(client.readResource({ uri: 'ashlar://guide/weather' })),
		prompt: await refusal(client.getPrompt({ name: 'weather' })),
	};
	const { resources } = await client.listResources();
	seen.resources = resources;
	seen.page = (await client.readResource({ uri: 'ashlar://guide/webhooks-out' })).contents;
	seen.prompts = (await client.listPrompts()).prompts;
	seen.prompt = await client.getPrompt({ name: 'sign-in', arguments: { what: 'a shop for boats' } });
	await client.close();
	return seen;
}

const http = (more = {}) => new StreamableHTTPClientTransport(new URL('/api/v1/mcp', server), { fetch: (url, init) => notedFetch(new Request(url, init)), ...more });

// The same with answers that are streams.
const streamed = { fetch: (url, init) => {
	const headers = new Headers(init.headers);
	headers.set('Accept', 'text/event-stream');
	return fetch(url, { ...init, headers });
} };

console.log(JSON.stringify({
	http: await see(http()),
	stream: await see(http(streamed)),
	stdio: await see(new StdioClientTransport({ command: ashlar, args: ['mcp'] })),
}));
