// The peer of bench/realtime: npm ws with the same protocol, as a competent user writes it.
//
//   node server.mjs SOCKET
//
// MODE=notify: a message goes through PostgreSQL (pg_notify, LISTEN), so that further processes would have it as well; it is
// stored nowhere, and who was away missed it.  MODE=process: it stays in this process.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import pg from 'pg';
import { WebSocketServer } from 'ws';

const { JWT_SECRET, MODE = 'notify' } = process.env;
const channels = new Map(); // name -> Set of sockets
const server = createServer((req, res) => res.writeHead(426).end());
const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 32768, clientTracking: false });

function verified(token) {
	const [head, body, mac] = (token ?? '').split('.');
	const want = createHmac('sha256', JWT_SECRET).update(`${head}.${body}`).digest();
	const got = Buffer.from(mac ?? '', 'base64url');
	if (got.length !== want.length || !timingSafeEqual(got, want)) return null;
	const claims = JSON.parse(Buffer.from(body, 'base64url'));
	return claims.exp > Date.now() / 1000 ? claims : null;
}

// One text for all who get it.
function deliver({ channel, data, sender_id, timestamp }) {
	const frame = Buffer.from(JSON.stringify({ type: 'channel_message', channel, data, sender_id, timestamp }));
	for (const ws of channels.get(channel) ?? []) ws.send(frame, { binary: false });
}

let publish = deliver;
if (MODE === 'notify') {
	const listener = new pg.Client();
	const pool = new pg.Pool({ max: 4 });
	await listener.connect();
	await listener.query('LISTEN messages');
	listener.on('notification', (n) => deliver(JSON.parse(n.payload)));
	publish = (m) => pool.query({ name: 'publish', text: "SELECT pg_notify('messages', $1)", values: [JSON.stringify(m)] });
}

const handle = {
	subscribe(ws, { channel }) {
		if (!channels.has(channel)) channels.set(channel, new Set());
		channels.get(channel).add(ws);
		ws.send(JSON.stringify({ type: 'subscribed', channel }));
	},
	unsubscribe(ws, { channel }) {
		channels.get(channel)?.delete(ws);
	},
	message(ws, { channel, data }) {
		publish({ channel, data, sender_id: ws.user, timestamp: new Date().toISOString() });
	},
};

server.on('upgrade', (req, socket, head) => {
	const claims = verified(new URL(req.url, 'http://x').searchParams.get('token'));
	if (!claims) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
	wss.handleUpgrade(req, socket, head, (ws) => {
		ws.user = claims.sub;
		ws.on('message', (text) => {
			const m = JSON.parse(text);
			handle[m.type]?.(ws, m);
		});
		ws.on('close', () => channels.forEach((set) => set.delete(ws)));
		ws.on('error', () => ws.terminate());
		ws.send(JSON.stringify({ type: 'connected', data: { user_id: ws.user, connected_at: new Date().toISOString() } }));
	});
});
server.listen({ path: process.argv[2], backlog: 1024 }, () => console.log('ready'));
process.on('SIGTERM', () => process.exit(0));
