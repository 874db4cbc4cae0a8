// Servers of tools, with the protocol's own SDK (@modelcontextprotocol/sdk).
//
//	node t/clients/mcp.mjs	prints "port N" and serves until it is stopped
//
//	/stream	sessions, answers as event streams
//	/sse	the older transport: a stream of its own, and messages to /messages
//	/mute, /foreign	streams as that, of which one ends at once and the other sends messages elsewhere
//	/json	without sessions, answers as JSON
//	GET /seen	what was asked since the last time: [{ path, method, headers, body }]
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

const text = (text) => ({ content: [{ type: 'text', text }] });

function tools() {
	const server = new McpServer({ name: 'tides', version: '1.0.0' });
	server.registerTool('tide', { description: 'When is high water?', inputSchema: { harbour: z.string() } }, ({ harbour }) => text(`High water at ${harbour} is at 14:20.`));
	server.registerTool('long', { description: 'Says very much', inputSchema: { bytes: z.number() } }, ({ bytes }) => text('ü'.repeat(bytes / 2)));
	server.registerTool('picture', { inputSchema: {} }, () => ({ content: [{ type: 'image', data: 'AAAA', mimeType: 'image/png' }, { type: 'text', text: 'of a boat' }] }));
	server.registerTool('broken', { inputSchema: {} }, () => ({ ...text('the gauge is broken'), isError: true }));
	server.registerTool('never', { inputSchema: {} }, () => new Promise(() => {}));
	return server;
}

const seen = [], sessions = new Map();

async function transport_of(path, id) {
	if (path === '/stream' && sessions.has(id))
		return sessions.get(id);
	const transport = path === '/json' ?
		new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true }) :
		new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (session) => sessions.set(session, transport) });
	await tools().connect(transport);
	return transport;
}

const server = createServer(async (request, response) => {
	const path = new URL(request.url, 'http://localhost').pathname;
	let body = '';
	for await (const piece of request)
		body += piece;
	if (path === '/seen') {
		response.setHeader('Content-Type', 'application/json').end(JSON.stringify(seen.splice(0)));
		return;
	}
	seen.push({ path, method: request.method, headers: request.headers, body: body ? JSON.parse(body) : null });
	if (path === '/sse' && request.method === 'GET') {
		const transport = new SSEServerTransport('/messages', response);
		sessions.set(transport.sessionId, transport);
		response.on('close', () => seen.push({ path, method: 'closed', headers: request.headers, body: null }));
		await tools().connect(transport);
		return;
	}
	if (path === '/messages') {
		await sessions.get(new URL(request.url, 'http://localhost').searchParams.get('sessionId')).handlePostMessage(request, response, JSON.parse(body));
		return;
	}
	if (path === '/mute' || path === '/foreign') {
		response.writeHead(200, { 'Content-Type': 'text/event-stream' });
		if (path === '/mute')
			response.end(': nothing\n\n');
		else
			response.write('event: endpoint\ndata: http://localhost:9/messages\n\n');
		return;
	}
	if (path !== '/stream' && path !== '/json') {
		response.writeHead(404).end();
		return;
	}
	await (await transport_of(path, request.headers['mcp-session-id'])).handleRequest(request, response, body ? JSON.parse(body) : undefined);
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
