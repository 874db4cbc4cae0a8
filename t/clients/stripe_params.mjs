// Are the parameters that t/lib/stub_stripe takes those that Stripe's own client declares?
//
//	node t/clients/stripe_params.mjs <known.json	how many were compared, then each that is not declared
//
// known is Ashlar::Stripe::Params::known() as JSON.  The declarations are generated, so
// their form is read by its braces.

import { readFileSync } from 'node:fs';

const known = JSON.parse(readFileSync(0, 'utf8'));
const home = new URL('node_modules/stripe/esm/resources/', import.meta.url);
const PAGING = ['limit', 'starting_after', 'ending_before'];
const RESOURCES = {
	customers: ['Customers', 'Customer'], products: ['Products', 'Product'], prices: ['Prices', 'Price'], coupons: ['Coupons', 'Coupon'],
	promotion_codes: ['PromotionCodes', 'PromotionCode'], payment_methods: ['PaymentMethods', 'PaymentMethod'], 'checkout/sessions': ['Checkout/Sessions', 'Session'],
	'billing_portal/sessions': ['BillingPortal/Sessions', 'Session'], subscriptions: ['Subscriptions', 'Subscription'],
	subscription_schedules: ['SubscriptionSchedules', 'SubscriptionSchedule'], invoices: ['Invoices', 'Invoice'], invoiceitems: ['InvoiceItems', 'InvoiceItem'],
	payment_intents: ['PaymentIntents', 'PaymentIntent'], events: ['Events', 'Event'], tax_ids: ['TaxIds', 'TaxId'],
};
const ACTIONS = { attach: 'Attach', expire: 'Expire', release: 'Release', cancel: 'Cancel', pay: 'Pay', void: 'VoidInvoice', create_preview: 'CreatePreview', confirm: 'Confirm' };
let compared = 0;
const missing = [];

// The text between the brace before `at` and the one that closes it.
function block(text, at) {
	let depth = 1, end = at;
	for (; depth; end++) depth += (text[end] === '{') - (text[end] === '}');
	return text.slice(at, end - 1);
}

function after(text, pattern) {
	const found = text.match(pattern);
	return found ? block(text, found.index + found[0].length) : undefined;
}

function members(body) {
	const all = {};
	let depth = 0, last;
	for (const line of body.split('\n')) {
		const found = depth ? null : line.match(/^\s*(\w+)\??:\s*(.*)/);
		if (found) all[last = found[1]] = found[2];
		else if (last) all[last] += '\n' + line;
		depth += (line.match(/\{/g) ?? []).length - (line.match(/\}/g) ?? []).length;
	}
	return all;
}

function compare(params, body, scope, file, path) {
	const declared = members(body);
	for (const [name, { of }] of Object.entries(params)) {
		const type = declared[name], here = `${path} ${name}`;
		compared++;
		if (type === undefined) {
			missing.push(here);
		} else if (of && !of['*'] && !/AddressParam|RangeQueryParam/.test(type)) {
			const names = type.match(/\w+(?:\.\w+)+/)?.[0].split('.');
			const inner = names?.slice(0, -1).reduce((at, one) => after(at, new RegExp(`namespace ${one} \\{`)) ?? after(file, new RegExp(`namespace ${one} \\{`)) ?? '', scope);
			const found = type.startsWith('{') ? block(type, 1) : inner && after(inner, new RegExp(`interface ${names.at(-1)} \\{`));
			if (found === undefined || found === '') missing.push(`${here}: ${type.trim()} is not understood`);
			else compare(of, found, inner ?? scope, file, here);
		}
	}
}

for (const [operation, params] of Object.entries(known).sort()) {
	const [method, path] = operation.split(' ');
	if (path === 'account') continue; // the key's own, which takes none
	const [, base, id, action] = path.match(/^(.*?)(\/:id)?(?:\/(create_preview|[a-z]+(?<=:id\/[a-z]+)))?$/);
	const [source, object] = RESOURCES[base];
	const verb = ACTIONS[action] ?? { GET: id ? 'Retrieve' : 'List', POST: id ? 'Update' : 'Create', DELETE: base === 'subscriptions' ? 'Cancel' : 'Delete' }[method];
	const file = readFileSync(new URL(`${source}.d.ts`, home), 'utf8').replace(/\/\*[^]*?\*\//g, '');
	const head = new RegExp(`interface ${object}${verb}Params (extends PaginationParams )?\\{`);
	const paged = file.match(head)?.[1];
	const body = after(file, head);
	if (body === undefined) {
		missing.push(`${operation}: ${object}${verb}Params`);
		continue;
	}
	const own = Object.fromEntries(Object.entries(params).filter(([name]) => !(paged && PAGING.includes(name)) && !(name === 'expand' && !/\bexpand\?/.test(body))));
	compare(own, body, file, file, operation);
}
console.log([compared, ...missing].join('\n'));
