/*
 * Verifies webhooks with the libraries that their receivers use:
 *
 *   node t/clients/webhooks_out.mjs FILE
 *
 * FILE holds [{"secret", "headers", "body"}]; prints for each what svix and
 * standardwebhooks say: [{"svix": true or false, "standardwebhooks": the same}].
 */
import { readFileSync } from 'node:fs';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';

const verify = (Webhook, { secret, headers, body }) => {
	try {
		new Webhook(secret).verify(body, headers);
		return true;
	} catch {
		return false;
	}
};

const all = JSON.parse(readFileSync(process.argv[2], 'utf8'));
console.log(JSON.stringify(all.map((one) => ({
	svix: verify(SvixWebhook, one),
	standardwebhooks: verify(StandardWebhook, one),
}))));
