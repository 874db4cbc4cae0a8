// Clients as a product has them, driven by lines of JSON: npm's ws, which
// reconnects and recovers as the guide says, and npm's eventsource, which does
// both by itself.
//
//     → {"do":"socket","name":"a","ticket":"…","channel":"project:…"}
//     ← {"name":"a","event":"subscribed","recovered":false}
//     ← {"name":"a","event":"message","n":7}
import { EventSource } from 'eventsource';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

const base = process.argv[2];
const tell = (what) => console.log(JSON.stringify(what));

function socket({ name, token, channel }) {
    let last;
    const connect = () => {
        const ws = new WebSocket(`wss://${base}/api/v1/app/ws`, ['bearer', token]);
        ws.on('open', () => tell({ name, event: 'open', protocol: ws.protocol }));
        ws.on('message', (text) => {
            const m = JSON.parse(text);
            if (m.type === 'connected') ws.send(JSON.stringify({ type: 'subscribe', channel, ...(last === undefined ? {} : { last_event_id: last }) }));
            if (m.type === 'subscribed') {
                if (!m.recovered) last = m.event_id;
                tell({ name, event: 'subscribed', recovered: m.recovered });
            }
            if (m.type === 'channel_message') {
                last = m.event_id;
                tell({ name, event: 'message', n: m.data.n });
            }
        });
        ws.on('error', () => {});
        ws.on('close', (code) => {
            tell({ name, event: 'close', code });
            setTimeout(connect, 200);
        });
    };
    connect();
}

function stream({ name, token, channel }) {
    const es = new EventSource(`https://${base}/api/v1/app/events?channel=${encodeURIComponent(channel)}`, {
        fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
    });
    es.addEventListener('subscribed', (e) => tell({ name, event: 'subscribed', recovered: JSON.parse(e.data).recovered }));
    es.addEventListener('channel_message', (e) => tell({ name, event: 'message', n: JSON.parse(e.data).data.n }));
    es.onerror = (e) => tell({ name, event: 'close', code: e.code ?? 0 });
}

createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line);
    ({ socket, stream })[command.do](command);
});
