// npm's cloudevents, as a server of a tenant's uses it: events as HTTP messages.
//
//	node t/clients/cloudevents.mjs SUBJECT	prints {one, binary, batch}: {headers, body} each

import { CloudEvent, HTTP } from 'cloudevents'

const subject = process.argv[2]
const made = (id, data, more) => new CloudEvent({ id, source: 'https://images.example/%C3%BCber?x=1#y', type: 'com.example.image.made', subject, data, ...more })
const plain = ({ headers, body }) => ({ headers, body: typeof body === 'string' ? body : JSON.stringify(body) })

console.log(JSON.stringify({
	one: plain(HTTP.structured(made('one', { count: 2 }, { time: new Date().toISOString(), dataschema: 'https://images.example/schema', region: 'eu' }))),
	binary: plain(HTTP.binary(made('binary', { count: 3 }))),
	// The client has no words for a batch: it is the array of what it says of each.
	batch: { headers: { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' }, body: JSON.stringify([made('one', { count: 2 }), made('three', { count: 4 })]) },
}))
