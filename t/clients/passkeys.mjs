// Passkeys of a browser that is not ours, judged by a library that is not ours:
// headless Chromium with its virtual authenticator, and @simplewebauthn/server.
//
//	node t/clients/passkeys.mjs TASK	a task is JSON
//
//	listen	where port 443 of the hosts in "hosts" is, on this machine
//	spki	of the server's certificate, which Chromium is to trust: WebAuthn works on no page with a broken one
//
// A line of stdin is a page to go through, { browse: … } (see browse), or an array of cases (see verdict).
// What was seen is a line of stdout, an object or an array; passkeys.t judges it.  One process does all of it,
// and one browser, as starting them costs more than what they do.
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { noteAnswers, noted } from './answers.mjs'
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'

const decode = (text) => new Uint8Array(Buffer.from(text, 'base64url'))
const encode = (bytes) => Buffer.from(bytes).toString('base64url')

// What the library says of a response: { ok, why, credential }.
//
//	response, challenge, origin, rp_id
//	credential	of a sign-in: what the verdict on the registration had
async function verdict({ response, challenge, origin, rp_id, credential }) {
  const expected = { response, expectedChallenge: challenge, expectedOrigin: origin, expectedRPID: rp_id, requireUserVerification: true }
  try {
    if (!credential) {
      const { verified, registrationInfo } = await verifyRegistrationResponse({ ...expected, supportedAlgorithmIDs: [-7, -257] })
      const made = registrationInfo?.credential
      return { ok: verified, credential: made && { id: made.id, key: encode(made.publicKey), counter: made.counter } }
    }
    const { id, key, counter } = credential
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({ ...expected, credential: { id, publicKey: decode(key), counter } })
    return { ok: verified, credential: { id, key, counter: authenticationInfo?.newCounter } }
  } catch (error) {
    return { ok: false, why: error.message }
  }
}

// A page's way through a ceremony, without what sends it: options, then what the authenticator makes of them.
async function ceremony(page, { kind, headers, body, change }) {
  return page.evaluate(async ({ kind, headers, body, change }) => {
    const answer = await fetch(`/api/v1/auth/passkeys/${kind}/options`, { method: 'POST', headers, body: JSON.stringify(body ?? {}) })
    const options = await answer.json()
    if (!answer.ok) return { status: answer.status, options }
    const asked = { ...options, ...change }
    const credential = kind === 'registration'
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) })
    return { options, response: credential.toJSON() }
  }, { kind, headers, body, change })
}

async function send(page, path, { method = 'POST', headers, body }) {
  return page.evaluate(async ({ path, method, headers, body }) => {
    const answer = await fetch(`/api/v1/auth/passkeys${path}`, { method, headers, body: body && JSON.stringify(body) })
    return { status: answer.status, body: await answer.json() }
  }, { path, method, headers, body })
}

// Change one byte of a part of the response.
function flip(response, part, at, bits = 1) {
  const copy = structuredClone(response)
  const bytes = decode(copy.response[part])
  bytes[at < 0 ? bytes.length + at : at] ^= bits
  copy.response[part] = encode(bytes)
  return copy
}

function client(response, change) {
  const copy = structuredClone(response)
  const data = JSON.parse(Buffer.from(copy.response.clientDataJSON, 'base64url'))
  copy.response.clientDataJSON = encode(JSON.stringify({ ...data, ...change }))
  return copy
}

// Ways to spoil a response.
const spoiled = {
  registration: {
    'another origin': (r) => client(r, { origin: 'https://evil.example' }),
    'another challenge': (r) => client(r, { challenge: encode(new Uint8Array(32)) }),
    'the other ceremony': (r) => client(r, { type: 'webauthn.get' }),
    'another domain': (r) => flip(r, 'attestationObject', 30),
    'the user not verified': (r) => flip(r, 'attestationObject', 30 + 32, 0x04),
    'the user not present': (r) => flip(r, 'attestationObject', 30 + 32, 0x01),
    'a byte too few': (r) => ({ ...r, response: { ...r.response, attestationObject: encode(decode(r.response.attestationObject).slice(0, -1)) } }),
    'a type that is none': (r) => ({ ...r, type: 'password' }),
    'two ids': (r) => ({ ...r, rawId: encode(new Uint8Array(16)) }),
  },
  authentication: {
    'another origin': (r) => client(r, { origin: 'https://evil.example' }),
    'another challenge': (r) => client(r, { challenge: encode(new Uint8Array(32)) }),
    'the other ceremony': (r) => client(r, { type: 'webauthn.create' }),
    'another domain': (r) => flip(r, 'authenticatorData', 0),
    'the user not verified, unsigned': (r) => flip(r, 'authenticatorData', 32, 0x04),
    'a higher counter, unsigned': (r) => flip(r, 'authenticatorData', 33),
    'another signature': (r) => flip(r, 'signature', -1),
    'client data with a blank': (r) => ({ ...r, response: { ...r.response, clientDataJSON: encode(Buffer.concat([decode(r.response.clientDataJSON), Buffer.from(' ')])) } }),
    'a type that is none': (r) => ({ ...r, type: 'password' }),
    'two ids': (r) => ({ ...r, rawId: encode(new Uint8Array(16)) }),
  },
}

// The whole life of a passkey on a page.
//
//	page	its address: what is fetched there is ours
//	key, token	of the API and of the user
//	guide	the functions that the guide shows, or nothing
async function browse(browser, task) {
  const { origin } = new URL(task.page)
  const headers = { 'Content-Type': 'application/json', ...(task.key && { 'X-API-Key': task.key }) }
  const mine = { ...headers, Authorization: `Bearer ${task.token}` }
  const seen = { refused: {} }
  const context = await browser.newContext()
  noteAnswers(context)
  const page = await context.newPage()
  await page.goto(task.page)
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const device = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true }
  const add = async (options) => (await cdp.send('WebAuthn.addVirtualAuthenticator', { options })).authenticatorId
  const plug = await add({ protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: false })
  let authenticatorId
  const judge = (made, credential) =>
    verdict({ response: made.response, challenge: made.options.challenge, origin, rp_id: made.options.rpId ?? made.options.rp.id, credential })
  const credentials = async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials

  // What both have to refuse; each in a ceremony of its own.
  const refuse = async (kind, name, { change, spoil = (r) => r, credential }) => {
    const made = await ceremony(page, { kind, headers: kind === 'registration' ? mine : headers, change })
    made.response = spoil(made.response)
    const ours = await send(page, `/${kind}`, { headers: kind === 'registration' ? mine : headers, body: { credential: made.response } })
    seen.refused[`${kind}: ${name}`] = { ours, theirs: await judge(made, credential) }
  }
  await refuse('registration', 'the user not verified, though the page wanted none', {
    change: { authenticatorSelection: { residentKey: 'discouraged', userVerification: 'discouraged' } },
  })
  await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: plug })
  authenticatorId = await add(device)
  const forget = async () => {
    for (const { credentialId } of await credentials())
      await cdp.send('WebAuthn.removeCredential', { authenticatorId, credentialId })
  }
  for (const name of Object.keys(spoiled.registration)) {
    await refuse('registration', name, { spoil: spoiled.registration[name] })
    await forget()
  }

  // A passkey is added; the page asks for an attestation, which nobody needs.
  const made = await ceremony(page, { kind: 'registration', headers: mine, change: { attestation: 'direct' } })
  seen.added = { ours: await send(page, '/registration', { headers: mine, body: { credential: made.response, name: 'Chromium' } }), theirs: await judge(made) }
  seen.added.options = made.options
  let { credential } = seen.added.theirs

  // The same device again: the options tell it that it has one.
  seen.again = await ceremony(page, { kind: 'registration', headers: mine }).then(() => 'made another', (e) => String(e))

  // It signs in: by itself, and after the address was told.
  for (const [name, body] of [['signed_in', {}], ['signed_in_by_email', { email: task.email }]]) {
    const used = await ceremony(page, { kind: 'authentication', headers, body })
    seen[name] = { ours: await send(page, '/authentication', { headers, body: { credential: used.response } }), theirs: await judge(used, credential) }
    credential = seen[name].theirs.credential ?? credential
    seen.replayed = await send(page, '/authentication', { headers, body: { credential: used.response } })
  }
  // Not the list: a browser sends no Origin with a GET to the page's own host, and a public key wants one.
  seen.renamed = await send(page, `/${seen.added.ours.body.id}`, {
    method: 'PATCH', headers: { ...headers, Authorization: `Bearer ${seen.signed_in.ours.body.access_token}` }, body: { name: 'Renamed' },
  })

  for (const name of Object.keys(spoiled.authentication))
    await refuse('authentication', name, { spoil: spoiled.authentication[name], credential })
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await refuse('authentication', 'the user not verified, though the page wanted none', { change: { userVerification: 'discouraged' }, credential })
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true })

  // A copy of the passkey, whose counter stayed behind.
  const [kept] = await credentials()
  await cdp.send('WebAuthn.removeCredential', { authenticatorId, credentialId: kept.credentialId })
  await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...kept, signCount: 0 } })
  await refuse('authentication', 'a counter that does not grow', { credential })

  // What the guide has pages do; its functions are all there is.
  await forget()
  if (task.guide)
    seen.guide = await page.evaluate(`(async () => { ${task.guide}
      return { added: await addPasskey(${JSON.stringify(task.token)}, 'As the guide says'), tokens: await signIn() } })()`)
  await forget()

  // An address that has none gets a made-up one, which no device has.  Chromium says so at once, or waits for another device until
  // the time is up, which is five minutes where the page says nothing else.
  seen.unknown = await ceremony(page, { kind: 'authentication', headers, body: { email: 'nobody@example.com' }, change: { timeout: 10000 } })
    .then(() => 'signed', (e) => String(e))

  // Removed, it is worth nothing, although the device still has it.
  seen.removed = await send(page, `/${seen.added.ours.body.id}`, { method: 'DELETE', headers: mine })
  await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...kept, signCount: 1000 } })
  const used = await ceremony(page, { kind: 'authentication', headers })
  seen.after = await send(page, '/authentication', { headers, body: { credential: used.response } })
  await noted()
  await context.close()
  return seen
}

const { hosts, listen, spki } = JSON.parse(process.argv[2])
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', `--ignore-certificate-errors-spki-list=${spki}`,
    `--host-resolver-rules=${hosts.map((h) => `MAP ${h}:443 ${listen},`).join('')}MAP * ~NOTFOUND,EXCLUDE localhost`,
  ],
})
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line)
    console.log(JSON.stringify(task.browse ? await browse(browser, task.browse) : await Promise.all(task.map(verdict))))
  }
} finally {
  await browser.close()
}
