// Supabase and Clerk as far as Ashlar sees them, made with npm's jose: key sets
// behind URLs, and tokens with the claims that these products put into theirs.
//
//	node t/clients/issuer.mjs	prints "port N" and serves until it is stopped
//
//	GET  /supabase/.well-known/jwks.json, /clerk/.well-known/jwks.json
//	POST /mint {of, alg, claims, header, expires, forge}	the token, as text
//		of	supabase, legacy (Supabase's shared secret) or clerk
//		forge	what is wrong with it: see forgeries
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import * as jose from 'jose';

const secret = new TextEncoder().encode(process.env.SUPABASE_SECRET);
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve });
const keys = {};
for (const of of ['supabase', 'clerk', 'stranger'])
	keys[of] = { RS256: { ...rsa(), kid: `${of}-RS256` }, ES256: { ...ec(), kid: `${of}-ES256` }, EdDSA: { ...generateKeyPairSync('ed25519'), kid: `${of}-EdDSA` } };
const others = {
	PS256: keys.supabase.RS256, RS512: keys.supabase.RS256, ES384: ec('P-384'),
};

const published = { supabase: ['ES256', 'RS256', 'EdDSA'], clerk: ['RS256'] };
async function jwks(of) {
	const all = published[of].map(async (alg) => ({
		...(await jose.exportJWK(keys[of][alg].publicKey)), kid: keys[of][alg].kid, use: 'sig', alg,
	}));
	return { keys: await Promise.all(all) };
}

const now = () => Math.floor(Date.now() / 1000);

const usual = {
	supabase: () => ({
		iss: 'https://abcdefgh.supabase.example/auth/v1', sub: '5b3f0f0e-8d50-4b39-9e0a-0b5b7d9c1f00', aud: 'authenticated',
		email: 'sb@example.com', phone: '', app_metadata: { provider: 'email', providers: ['email'] }, user_metadata: { email_verified: true },
		role: 'authenticated', aal: 'aal1', amr: [{ method: 'password', timestamp: now() }],
		session_id: '0d0c9e0a-63a6-4b5e-9d39-0e2f9b9c8a11', is_anonymous: false,
	}),
	clerk: () => ({
		iss: 'https://quick-fox-12.clerk.accounts.example', sub: 'user_2abcDEFghiJKLmnoPQRstuVWXyz', azp: 'https://app.example.com',
		nbf: now() - 10, sid: 'sess_2abcDEFghiJKLmnoPQRstuVWXyz', sts: 'active', fva: [0, -1], v: 2,
	}),
};
usual.legacy = usual.supabase;

async function sign({ of, alg = 'RS256', claims = {}, header = {}, expires = '1h' }, key) {
	const all = { ...usual[of](), ...claims };
	const signer = key ?? (of === 'legacy' ? { privateKey: secret } : keys[of][alg]);
	const jwt = new jose.SignJWT(all).setProtectedHeader({ alg, typ: 'JWT', ...(signer.kid && { kid: signer.kid }), ...header });
	return jwt.setIssuedAt(now() - 5).setExpirationTime(expires).sign(signer.privateKey);
}

const swap = (part, change) => jose.base64url.encode(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(jose.base64url.decode(part))), ...change }));

// Each takes a good request and returns a token that must not be believed.
const forgeries = {
	async 'another sub under the same signature'(want) {
		const [head, body, signature] = (await sign(want)).split('.');
		return [head, swap(body, { sub: 'somebody-else' }), signature].join('.');
	},
	async 'a later exp under the same signature'(want) {
		const [head, body, signature] = (await sign(want)).split('.');
		return [head, swap(body, { exp: now() + 86400 * 365 }), signature].join('.');
	},
	async 'another alg in the header'(want) {
		const [head, body, signature] = (await sign(want)).split('.');
		return [swap(head, { alg: 'none' }), body, signature].join('.');
	},
	async 'no signature at all'(want) {
		return new jose.UnsecuredJWT(usual[want.of]()).setIssuedAt().setExpirationTime('1h').encode();
	},
	async 'the signature cut off'(want) { return (await sign(want)).replace(/[^.]+$/, ''); },
	async 'one bit of the signature'(want) {
		const [head, body, signature] = (await sign(want)).split('.'), bytes = jose.base64url.decode(signature);
		bytes[9] ^= 1;
		return [head, body, jose.base64url.encode(bytes)].join('.');
	},
	async 'a stranger\'s key under the issuer\'s name of it'(want) {
		const alg = want.of === 'legacy' ? 'RS256' : want.alg;
		return sign({ ...want, alg }, { ...keys.stranger[alg ?? 'RS256'], kid: keys[want.of]?.[alg ?? 'RS256'].kid });
	},
	async 'a stranger\'s key that the token brings along'(want) {
		const alg = want.of === 'legacy' ? 'RS256' : want.alg ?? 'RS256', key = keys.stranger[alg];
		return sign({ ...want, alg, header: { jwk: await jose.exportJWK(key.publicKey) } }, key);
	},
	async 'a stranger\'s key at a URL that the token names'(want) {
		const alg = want.of === 'legacy' ? 'RS256' : want.alg ?? 'RS256';
		return sign({ ...want, alg, header: { jku: `http://127.0.0.1:${server.address().port}/stranger` } }, keys.stranger[alg]);
	},
	async 'the public key as a shared secret'(want) {
		const pem = await jose.exportSPKI(keys[want.of === 'legacy' ? 'supabase' : want.of].RS256.publicKey);
		return sign({ ...want, alg: 'HS256' }, { privateKey: new TextEncoder().encode(pem), kid: `${want.of}-RS256` });
	},
	async 'a guessed secret'(want) {
		return sign({ ...want, alg: 'HS256' }, { privateKey: new TextEncoder().encode('super-secret-jwt-token-with-at-least-32-characters-long') });
	},
	async 'signed by the other issuer'(want) {
		const other = want.of === 'clerk' ? 'supabase' : 'clerk';
		return sign({ ...want, alg: 'RS256' }, keys[other].RS256);
	},
	async 'expired'(want) { return sign({ ...want, expires: now() - 60 }); },
	async 'not valid yet'(want) { return sign({ ...want, claims: { nbf: now() + 300 } }); },
	async 'a header that must be understood'(want) {
		const signer = want.of === 'legacy' ? { privateKey: secret } : keys[want.of][want.alg ?? 'RS256'];
		const jws = new jose.CompactSign(new TextEncoder().encode(JSON.stringify({ ...usual[want.of](), iat: now(), exp: now() + 600 })));
		return jws.setProtectedHeader({ alg: want.alg ?? 'RS256', kid: signer.kid ?? '', crit: ['x'], x: 1 }).sign(signer.privateKey, { crit: { x: true } });
	},
	async 'encrypted and not signed'(want) {
		return new jose.EncryptJWT(usual[want.of]()).setProtectedHeader({ alg: 'dir', enc: 'A128CBC-HS256' })
			.setIssuedAt().setExpirationTime('1h').encrypt(crypto.getRandomValues(new Uint8Array(32)));
	},
};
for (const alg of Object.keys(others))
	forgeries[`${alg}, which we do not take`] = (want) => sign({ ...want, alg }, { ...others[alg], kid: `${want.of}-RS256` });

async function answer(request) {
	const text = await new Promise((done) => {
		let all = '';
		request.on('data', (part) => (all += part)).on('end', () => done(all));
	});
	const [, of] = /^\/(supabase|clerk)\/\.well-known\/jwks\.json$/.exec(request.url) ?? [];
	if (of)
		return JSON.stringify(await jwks(of));
	if (request.url === '/forgeries')
		return JSON.stringify(Object.keys(forgeries));
	if (request.url === '/mint') {
		const want = JSON.parse(text);
		return want.forge ? forgeries[want.forge](want) : sign(want);
	}
	throw new Error(`there is no ${request.url}`);
}

const server = createServer((request, response) => {
	answer(request).then((text) => response.end(text), (error) => response.writeHead(500).end(`${error.stack}`));
}).listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
