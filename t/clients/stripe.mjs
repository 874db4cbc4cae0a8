// Stripe's own client against t/lib/stub_stripe: it takes the stub's answers, errors
// and events for Stripe's.
//
//	node t/clients/stripe.mjs URL	prints one JSON object, what it saw

import { createServer } from 'node:http';
import Stripe from 'stripe';

const url = new URL(process.argv[2]);
const secret = 'whsec_of_this_test';
const client = (key, more) => new Stripe(key, { host: url.hostname, port: url.port, protocol: 'http', maxNetworkRetries: 0, telemetry: false, ...more });
const tell = (what, json) => fetch(new URL(`/_/${what}?sk_test_stubnode`, url), { method: 'PUT', body: JSON.stringify(json) }).then((answer) => answer.json());
const stripe = client('sk_test_stubnode');
const seen = { version: Stripe.API_VERSION ?? stripe.getApiField('version') };

// What a call fails with, as the client types it.
async function refused(promise) {
	try {
		await promise;
		return 'nothing';
	} catch (error) {
		return Object.fromEntries(Object.entries({ type: error.type, code: error.code, param: error.param, decline_code: error.decline_code, status: error.statusCode, intent: error.payment_intent?.status })
			.filter(([, value]) => value !== undefined));
	}
}

const events = [];
const receiver = createServer(async (req, res) => {
	const parts = [];
	for await (const part of req) parts.push(part);
	try {
		events.push(stripe.webhooks.constructEvent(Buffer.concat(parts), req.headers['stripe-signature'], secret));
	} catch (error) {
		events.push({ type: error.type });
		res.statusCode = 400;
	}
	res.end();
});
await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
const hook = { url: `http://127.0.0.1:${receiver.address().port}/`, secret, lose: '^(product|price|invoice_payment|payment_intent|payment_method)\\.' };
await tell('hook', hook);

const customer = await stripe.customers.create({ email: 'ada@example.com', name: 'Søren & Söhne', metadata: { 'a b': 'c&d' } }, { idempotencyKey: 'one' });
const again = await stripe.customers.create({ email: 'ada@example.com', name: 'Søren & Söhne', metadata: { 'a b': 'c&d' } }, { idempotencyKey: 'one' });
seen.customer = { name: customer.name, metadata: customer.metadata, is_same: customer.id === again.id, key: customer.lastResponse.idempotencyKey };
seen.errors = {
	key: await refused(client('sk_test_wrong').customers.list()),
	right: await refused(client('rk_test_stubnode').customers.create({})),
	reused: await refused(stripe.customers.create({ email: 'eve@example.com' }, { idempotencyKey: 'one' })),
	unknown: await refused(stripe.customers.create({ mail: 'x' })),
	missing: await refused(stripe.customers.retrieve('cus_none')),
	declined: await refused(stripe.paymentIntents.create({ amount: 500, currency: 'eur', payment_method: 'pm_card_chargeDeclinedInsufficientFunds', confirm: true })),
};
await tell('fail', [{ match: '.', times: 1, status: 429, error: { type: 'invalid_request_error', code: 'rate_limit' } }]);
seen.errors.busy = await refused(stripe.customers.list());
await tell('fail', [{ match: '.', times: 1, status: 500 }]);
seen.errors.down = await refused(stripe.customers.list());
await tell('fail', [{ match: '.', times: 1, lose: 'after' }]);
const lost = await client('sk_test_stubnode', { maxNetworkRetries: 1 }).customers.create({ email: 'lost@example.com' });
seen.lost = [lost.email, (await stripe.customers.list({ email: 'lost@example.com' })).data.length];

const price = await stripe.prices.create({ currency: 'eur', unit_amount: 4900, recurring: { interval: 'month' }, product_data: { name: 'Pro' } });
const session = await stripe.checkout.sessions.create({ mode: 'subscription', customer: customer.id, success_url: 'https://app.example.com/', line_items: [{ price: price.id, quantity: 2 }] });
await tell('complete', { session: session.id });
const { subscription } = await stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription.latest_invoice.payments'] });
const item = subscription.items.data[0];
seen.subscription = {
	status: subscription.status, price: item.price.unit_amount, quantity: item.quantity, days: Math.round((item.current_period_end - item.current_period_start) / 86400) >= 28,
	paid: subscription.latest_invoice.payments.data[0].amount_paid, parent: subscription.latest_invoice.parent.subscription_details.subscription === subscription.id,
};
const change = { items: [{ id: item.id, quantity: 3 }], proration_behavior: 'always_invoice' };
const preview = await stripe.invoices.createPreview({ subscription: subscription.id, subscription_details: change });
const changed = await stripe.subscriptions.update(subscription.id, { ...change, expand: ['latest_invoice'] });
seen.change = { shown: preview.amount_due, paid: changed.latest_invoice.amount_paid, quantity: changed.items.data[0].quantity };
const schedule = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
seen.schedule = [schedule.status, (await stripe.subscriptionSchedules.release(schedule.id)).status];
seen.portal = (await stripe.billingPortal.sessions.create({ customer: customer.id, return_url: 'https://app.example.com/' })).object;
const coupon = await stripe.coupons.create({ percent_off: 25, duration: 'once' });
await stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'SPRING' });
seen.code = (await stripe.promotionCodes.list({ code: 'spring', expand: ['data.promotion.coupon'] })).data[0].promotion.coupon.percent_off;
seen.ended = (await stripe.subscriptions.cancel(subscription.id)).status;
seen.pages = 0;
for await (const one of stripe.events.list({ limit: 3 })) seen.pages += one.object === 'event' ? 1 : 0;
seen.events = (await stripe.events.list({ limit: 100 })).data.length;

// Events come by themselves, perhaps after the answer.
const whole = (await stripe.events.list({ limit: 100 })).data.filter(({ type }) => !new RegExp(hook.lose).test(type));
for (let i = 0; i < 1000 && events.length < whole.length; i++) await new Promise((done) => setTimeout(done, 10));
seen.told = { all: JSON.stringify(events.map(({ id }) => id).sort()) === JSON.stringify(whole.map(({ id }) => id).sort()), versions: [...new Set(events.map((event) => event.api_version))] };
events.length = 0;
seen.forged = [await tell('deliver', { ids: [whole[0].id], secret: 'whsec_other' }), await tell('deliver', { ids: [whole[0].id], age_s: 400 }), await tell('deliver', { ids: [whole[0].id, whole[0].id] })];
seen.received = events.map(({ type }) => type);
seen.last = whole[0].type;
receiver.close();
receiver.closeAllConnections();
console.log(JSON.stringify(seen));
