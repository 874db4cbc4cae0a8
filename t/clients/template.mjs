// The client of `ashlar sdk template`, in use:  node t/clients/template.mjs FILE SERVER KEY
import { pathToFileURL } from 'node:url';
import { notedFetch } from './answers.mjs';

const [, , file, url, key] = process.argv;
const { Ashlar, AshlarError, memory } = await import(pathToFileURL(file));
const counted = [];
let breaks = 0;
const fetch = async (address, init) => {
	const { pathname } = new URL(address);
	counted.push({ pathname, key: init.headers['Idempotency-Key'] });
	const answer = await notedFetch(new Request(address, init));
	if (breaks-- > 0)
		throw new TypeError('the connection broke');
	return answer;
};
const storage = memory();
const ashlar = new Ashlar({ url, key, storage, fetch });
const refusal = (promise) => promise.then(() => 'answered', (error) => ({ is: error instanceof AshlarError, ...error }));
const ann = { email: 'ann@example.com', password: 'Correct-Horse-7' };
const seen = {};

const { user } = await ashlar.authentication.registerUser(ann);
seen.registered = user?.email ?? ann.email;
seen.wrong = await refusal(ashlar.login({ ...ann, password: 'wrong' }));
seen.invalid = await refusal(ashlar.login({ ...ann, email: 'x', password: undefined }));
if (seen.invalid.field !== 'email') seen.invalid = await refusal(ashlar.authentication.registerUser({ ...ann, email: 'x' }));
await ashlar.login(ann);
seen.me = (await ashlar.authentication.getMe()).email;

storage.set({ ...storage.get(), access_token: 'expired' });
counted.length = 0;
const all = await Promise.all(Array.from({ length: 4 }, () => ashlar.authentication.getMe()));
seen.refreshed = { refreshes: counted.filter(({ pathname }) => pathname.endsWith('/refresh')).length, all: all.map(({ email }) => email) };

breaks = 1;
counted.length = 0;
await ashlar.organizations.createOrganization({ name: 'Boats', slug: 'boats' });
seen.again = new Set(counted.map((one) => one.key)).size;
seen.organizations = [];
for await (const one of ashlar.all('organizations.listMyOrganizations')) seen.organizations.push(one.name);

for (const name of ['bob', 'cy']) await new Ashlar({ url, key, fetch }).authentication.registerUser({ ...ann, email: `${name}@example.com` });
seen.users = 0;
for await (const one of ashlar.all('users.listUsers', { per_page: 1 })) seen.users += one.email.endsWith('@example.com');

await ashlar.logout();
seen.after = await refusal(ashlar.authentication.getMe());
console.log(JSON.stringify(seen));
