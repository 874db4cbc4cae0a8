// Passkeys, in a browser: its ceremony between the API's options and what it makes of them.
import type { Client } from './client.js'
import type { Answer } from './types.js'

type Options = { signal?: AbortSignal }

const ask = <T>(client: Client, path: string, body: object, is_signed: boolean, { signal }: Options) =>
  client.json<T>('POST', `/api/v1/auth/passkeys${path}`, { body, is_signed, ...(signal && { signal }) })

/** Sign in with one that the device has for this page.  An address narrows it to its user's; conditional offers it in a field's list instead. */
export async function signInWithPasskey(client: Client, { email, conditional = false, ...options }: Options & { email?: string, conditional?: boolean } = {}): Promise<Answer<'finish_platform_passkey_login'>> {
  const asked = await ask<any>(client, '/authentication/options', email ? { email } : {}, false, options)
  const made = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked), ...options, ...(conditional && { mediation: 'conditional' }) })
  const answer = await ask<Answer<'finish_platform_passkey_login'>>(client, '/authentication', { credential: (made as PublicKeyCredential).toJSON() }, false, options)
  await client.auth.adopt(answer)
  return answer
}

/** Add one for the user who is signed in, and has been for less than a quarter of an hour: else RECENT_SIGN_IN_REQUIRED. */
export async function addPasskey(client: Client, { name, ...options }: Options & { name?: string } = {}): Promise<Answer<'create_platform_passkey'>> {
  const asked = await ask<any>(client, '/registration/options', {}, true, options)
  const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked), ...options })
  return ask(client, '/registration', { credential: (made as PublicKeyCredential).toJSON(), ...(name && { name }) }, true, options)
}
