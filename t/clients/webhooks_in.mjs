// The providers' own libraries, for t/clients/webhooks_in.t: what they sign, and
// what they say of what we are sent.  And a Play Developer API, that looks hard
// at who asks it.
//
// Prints "port N"; POST /<what> {JSON} answers {JSON}.

import { createServer } from 'node:http';
import { createPublicKey } from 'node:crypto';
import Stripe from 'stripe';
import { Webhook as Svix } from 'svix';
import { Webhook as Standard } from 'standardwebhooks';
import { Environment, SignedDataVerifier } from '@apple/app-store-server-library';
import { OAuth2Client } from 'google-auth-library';
import * as jose from 'jose';

const stripe = new Stripe('sk_test_none');
const google = new OAuth2Client();
let account;                  // the service account's public key (PEM) and e-mail address
let purchases = {};           // by token: {status} or the subscription
let tokens = new Map();       // access tokens that were given out, and whether they are good
const seen = { assertions: [], calls: [] };

const calls = {
	'sign/stripe': ({ payload, secret, timestamp }) => stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }),
	'sign/svix': ({ id, at, payload, secret }) => new Svix(secret).sign(id, new Date(at * 1000), payload),
	'sign/standard': ({ id, at, payload, secret }) => new Standard(secret).sign(id, new Date(at * 1000), payload),
	'sign/apple': async ({ payload, x5c, key }) =>
		new jose.CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
			.setProtectedHeader({ alg: 'ES256', x5c }).sign(await jose.importPKCS8(key, 'ES256')),
	'verify/apple': async ({ jws, root, bundle, environment }) => {
		const verifier = new SignedDataVerifier([Buffer.from(root, 'base64')], false, environment ?? Environment.PRODUCTION, bundle, 1234);
		try {
			return { notification: await verifier.verifyAndDecodeNotification(jws) };
		} catch (e) {
			return { refused: e.status ?? String(e) };
		}
	},
	'sign/pubsub': async ({ claims, key, kid }) =>
		new jose.SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid }).sign(await jose.importPKCS8(key, 'RS256')),
	// As Google's guide to authenticated push has it, but for where the keys come from.
	'verify/pubsub': async ({ token, publicKey, kid, audience }) => {
		try {
			const ticket = await google.verifySignedJwtWithCertsAsync(token, { [kid]: publicKey }, audience, ['accounts.google.com', 'https://accounts.google.com']);
			return { claims: ticket.getPayload() };
		} catch (e) {
			return { refused: e.message };
		}
	},
	play: (what) => {
		account = what.account ?? account;
		purchases = { ...purchases, ...what.purchases };
		if (what.revoke)
			tokens = new Map();
		return {};
	},
	seen: () => seen,
};

const answer = (res, status, body) => {
	res.writeHead(status, { 'Content-Type': 'application/json' });
	res.end(JSON.stringify(body));
};

// https://developers.google.com/identity/protocols/oauth2/service-account
async function token(res, body) {
	const form = new URLSearchParams(body);
	try {
		if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
			return answer(res, 400, { error: 'unsupported_grant_type' });
		const { payload, protectedHeader } = await jose.jwtVerify(form.get('assertion'), createPublicKey(account.key),
			{ issuer: account.email, audience: account.audience, algorithms: ['RS256'], maxTokenAge: '60s', requiredClaims: ['iat', 'exp', 'scope'] });
		if (payload.scope !== 'https://www.googleapis.com/auth/androidpublisher' || payload.exp - payload.iat > 3600)
			return answer(res, 400, { error: 'invalid_scope' });
		seen.assertions.push({ payload, header: protectedHeader });
		const made = `ya29.a0-${seen.assertions.length}`;
		tokens.set(made, true);
		return answer(res, 200, { access_token: made, expires_in: 3599, token_type: 'Bearer' });
	} catch (e) {
		return answer(res, 400, { error: 'invalid_grant', error_description: e.message });
	}
}

// https://developers.google.com/android-publisher/api-ref/rest/v3/purchases.subscriptionsv2/get
function purchase(req, res) {
	const path = new URL(req.url, 'http://x').pathname;
	const found = /^\/androidpublisher\/v3\/applications\/([^/]+)\/purchases\/subscriptionsv2\/tokens\/([^/]+)$/.exec(path);
	seen.calls.push(`${req.method} ${path}`);
	if (!tokens.get((req.headers.authorization ?? '').replace(/^Bearer /, '')))
		return answer(res, 401, { error: { code: 401, status: 'UNAUTHENTICATED' } });
	const is = found && req.method === 'GET' && purchases[decodeURIComponent(found[2])];
	if (!is)
		return answer(res, 404, { error: { code: 404, status: 'NOT_FOUND' } });
	if (is.status)
		return answer(res, is.status, { error: { code: is.status } });
	return answer(res, 200, { kind: 'androidpublisher#subscriptionPurchaseV2', ...is });
}

const server = createServer((req, res) => {
	let body = '';
	req.setEncoding('utf8');
	req.on('data', (chunk) => { body += chunk; });
	req.on('end', async () => {
		const what = req.url.slice(1);
		if (what === 'token')
			return token(res, body);
		if (what.startsWith('androidpublisher/'))
			return purchase(req, res);
		try {
			return answer(res, 200, { answer: await calls[what](JSON.parse(body)) });
		} catch (e) {
			return answer(res, 500, { error: e.stack });
		}
	});
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
