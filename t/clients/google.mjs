// Google as npm's oidc-provider makes one, the person who signs in there, and
// openid-client as another site that the same person signs in to.
//
//	node t/clients/google.mjs	prints "port N" and serves until it is stopped
//
//	POST /control/setup {client_id, client_secret, redirect_uri}	a client of the provider; once
//	POST /control/person {sub, email, email_verified, name, picture}	who sits at the browser from now on
//	POST /control/browse {url}	the browser goes there, the person signs in and agrees:
//		the URL outside of the provider that it ends at
//	POST /control/openid	the same by openid-client, from discovery on: {metadata, claims} as it verified them
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { interactionPolicy } from 'oidc-provider';
import * as openid from 'openid-client';

let provider, callback, base, client, person;

async function setup({ client_id, client_secret, redirect_uri }) {
	const { privateKey } = await generateKeyPair('RS256', { extractable: true });
	const policy = interactionPolicy.base();
	policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);
	client = { client_id, client_secret, redirect_uri };
	provider = new Provider(base, {
		clients: [{
			client_id, client_secret, redirect_uris: [redirect_uri], response_types: ['code'], grant_types: ['authorization_code'],
			token_endpoint_auth_method: 'client_secret_post',
		}],
		jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'one', use: 'sig', alg: 'RS256' }] },
		claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'picture'] },
		conformIdTokenClaims: false, // as Google does: the claims are in the ID token
		pkce: { required: () => true },
		cookies: { keys: ['of a test'] },
		features: { devInteractions: { enabled: false } },
		interactions: { policy, url: (ctx, interaction) => `/interaction/${interaction.uid}` },
		findAccount: (ctx, id) => ({ accountId: id, claims: () => person }),
	});
	provider.on('server_error', (ctx, error) => console.error(error));
	callback = provider.callback();
	return {};
}

// The pages where one signs in and agrees, with both done at once.
async function interact(req, res) {
	const { params, prompt } = await provider.interactionDetails(req, res);
	const grant = new provider.Grant({ accountId: person.sub, clientId: params.client_id });
	grant.addOIDCScope(params.scope);
	const result = { select_account: {}, login: { accountId: person.sub } };
	if (prompt.name === 'consent') result.consent = { grantId: await grant.save() };
	await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
}

// A browser that keeps cookies and follows redirects as long as they stay here.
async function browse({ url }) {
	const cookies = new Map();
	for (let hops = 0; url.startsWith(base) && hops < 20; hops++) {
		const answer = await fetch(url, {
			redirect: 'manual', headers: { accept: 'text/html', cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
		});
		for (const cookie of answer.headers.getSetCookie()) {
			const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
			cookies.set(name, value);
		}
		const location = answer.headers.get('location');
		if (!location) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
		url = new URL(location, url).href;
	}
	return { url };
}

async function whoami() {
	const config = await openid.discovery(new URL(base), client.client_id, undefined, openid.ClientSecretPost(client.client_secret), {
		execute: [openid.allowInsecureRequests],
	});
	const verifier = openid.randomPKCECodeVerifier();
	const [nonce, state] = [openid.randomNonce(), openid.randomState()];
	const to = openid.buildAuthorizationUrl(config, {
		redirect_uri: client.redirect_uri, scope: 'openid email profile', nonce, state,
		code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
	});
	const { url } = await browse({ url: to.href });
	const tokens = await openid.authorizationCodeGrant(config, new URL(url), { pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state });
	return { metadata: config.serverMetadata(), claims: tokens.claims() };
}

const control = { setup, browse, openid: whoami, person: async (who) => ((person = who), {}) };

const server = createServer(async (req, res) => {
	const command = control[req.url.replace(/^\/control\//, '')];
	try {
		if (command) {
			let body = '';
			for await (const part of req) body += part;
			res.setHeader('Content-Type', 'application/json');
			res.end(JSON.stringify(await command(body ? JSON.parse(body) : {})));
		} else if (req.url.startsWith('/interaction/')) {
			await interact(req, res);
		} else {
			await callback(req, res);
		}
	} catch (error) {
		console.error(error);
		res.statusCode = 500;
		res.end(String(error));
	}
});
server.listen(0, '127.0.0.1', () => {
	base = `http://127.0.0.1:${server.address().port}`;
	console.log(`port ${server.address().port}`);
});
