// An assistant, as the protocol's own SDK makes them (@modelcontextprotocol/sdk), asks over both transports.
//
//	node t/clients/assistant.mjs SERVER ASHLAR KEY TOKEN	prints what it saw, by transport; with the credentials what it did
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { notedFetch } from './answers.mjs';

const [, , server, ashlar, key, token] = process.argv;

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
		path: await call('get_endpoint_details', { path: '/api/v1/auth/logon/now' }),
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

// With credentials: all tools, and a project that is made and deleted.
async function act(transport) {
	const client = new Client({ name: 'test', version: '1.0.0' });
	await client.connect(transport);
	const seen = { tools: [] };
	for (let cursor; ;) {
		const page = await client.listTools(cursor ? { cursor } : {});
		seen.tools.push(...page.tools.map(({ name }) => name));
		if (!(cursor = page.nextCursor)) break;
	}
	const call = (name, args = {}) => client.callTool({ name, arguments: args }).then(text);
	seen.list = await call('list_app_projects', { limit: 1 });
	seen.made = await call('create_app_project', { body: { name: 'Boat' } });
	const [, id] = seen.made.text.match(/"id":"([^"]+)"/) ?? [];
	if (id) {
		seen.first = await call('delete_app_project', { project_id: id });
		const [, confirmation] = seen.first.text.match(/"confirmation": "([^"]+)"/) ?? [];
		seen.second = confirmation ? await call('delete_app_project', { project_id: id, confirmation }) : null;
	}
	await client.close();
	return seen;
}

// Somebody sits there and is asked; what the assistant asks meanwhile is answered, too.
async function act_asked(transport, said) {
	const client = new Client({ name: 'test', version: '1.0.0' }, { capabilities: { elicitation: {} } });
	const seen = { asked: [], meanwhile: [] };
	client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
		seen.asked.push(params);
		seen.meanwhile.push(client.ping().then(() => 'pong'));
		return said;
	});
	await client.connect(transport);
	const call = (name, args = {}) => client.callTool({ name, arguments: args }).then(text);
	const [, id] = (await call('create_app_project', { body: { name: 'Boat' } })).text.match(/"id":"([^"]+)"/);
	seen.id = id;
	seen.deleted = await call('delete_app_project', { project_id: id });
	seen.after = (await call('get_app_project', { project_id: id })).text;
	seen.meanwhile = await Promise.all(seen.meanwhile);
	await client.close();
	return seen;
}

async function see_refusal(transport) {
	const client = new Client({ name: 'test', version: '1.0.0' });
	await client.connect(transport);
	const seen = { list: await refusal(client.listTools()), overview: text(await client.callTool({ name: 'get_api_overview' })).isError };
	await client.close();
	return seen;
}

const pipe = (args, env) => new StdioClientTransport({ command: ashlar, args: ['mcp', ...args], env: { PATH: process.env.PATH, HOME: '/nonexistent', ...env } });
const own = { ASHLAR_URL: server, ASHLAR_CA: process.env.NODE_EXTRA_CA_CERTS, ASHLAR_API_KEY: key, ASHLAR_TOKEN: token };

console.log(JSON.stringify({
	acts: {
		http: await act(http({ requestInit: { headers: { 'X-API-Key': key, Authorization: `Bearer ${token}` } } })),
		pipe: await act(pipe([], own)),
		reading: await act(pipe([], { ...own, ASHLAR_API_KEY: '' })),
		writing: await act(pipe(['--allow-writes'], { ...own, ASHLAR_API_KEY: '' })),
		deleting: await act(pipe(['--allow-writes', '--allow-deletes'], { ...own, ASHLAR_API_KEY: '' })),
		asked: {
			yes: await act_asked(pipe(['--allow-writes'], { ...own, ASHLAR_API_KEY: '' }), { action: 'accept', content: { delete: true } }),
			unticked: await act_asked(pipe(['--allow-writes'], { ...own, ASHLAR_API_KEY: '' }), { action: 'accept', content: { delete: false } }),
			no: await act_asked(pipe(['--allow-writes'], { ...own, ASHLAR_API_KEY: '' }), { action: 'decline' }),
			away: await act_asked(pipe(['--allow-writes'], { ...own, ASHLAR_API_KEY: '' }), { action: 'cancel' }),
		},
		nowhere: await see_refusal(pipe([], { ...own, ASHLAR_URL: 'https://localhost:1' })),
	},
	http: await see(http()),
	stream: await see(http(streamed)),
	stdio: await see(pipe([], {})),
}));
