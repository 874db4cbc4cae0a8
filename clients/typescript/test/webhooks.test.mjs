// Webhooks, as a receiver verifies them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { verifyWebhook, WebhookError } from 'ashlar'
import { act } from './harness.mjs'

const secret = `whsec_${btoa('a secret of thirty-two bytes, yes')}`, other = `whsec_${btoa('another one of thirty-two bytes!')}`
const body = '{"type":"user.created","timestamp":"2026-01-31T12:00:00.000000Z","workspace_id":null,"data":{"email":"säfe@example.com"}}'
const headersOf = (now = new Date(), text = body, by = secret) => ({
  'webhook-id': 'msg_1', 'webhook-timestamp': String(Math.floor(now / 1000)), 'webhook-signature': new Webhook(by).sign('msg_1', now, text),
})

test('what the server sends is genuine, and nothing else is', async () => {
  const sent = await act('webhook')
  const event = await verifyWebhook(sent.body, sent.headers, sent.secret)
  assert.equal(event.type, 'organization.member_added')
  assert.deepEqual(await verifyWebhook(new TextEncoder().encode(sent.body), new Headers(sent.headers), [other, sent.secret]), event)
  for (const spoilt of [
    [`${sent.body} `, sent.headers, sent.secret], [sent.body, sent.headers, other], [sent.body, { ...sent.headers, 'webhook-id': 'msg_2' }, sent.secret],
    [sent.body, { ...sent.headers, 'webhook-timestamp': String(Number(sent.headers['webhook-timestamp']) + 1) }, sent.secret],
    [sent.body, {}, sent.secret], [sent.body, { ...sent.headers, 'webhook-signature': 'v1,AAAA' }, sent.secret],
    [sent.body, { ...sent.headers, 'webhook-signature': sent.headers['webhook-signature'].replace('v1,', 'v2,') }, sent.secret],
  ]) await assert.rejects(() => verifyWebhook(...spoilt), WebhookError)
})

test('by the specification\'s own library', async () => {
  assert.equal((await verifyWebhook(body, headersOf(), secret)).data.email, 'säfe@example.com')
  const both = { ...headersOf(), 'webhook-signature': `${headersOf(new Date(), body, other)['webhook-signature']} ${headersOf()['webhook-signature']}` }
  await verifyWebhook(body, both, secret)
  await verifyWebhook(body, both, other)
  await assert.rejects(() => verifyWebhook(body, headersOf(new Date(Date.now() - 301_000)), secret), /too far/)
  await assert.rejects(() => verifyWebhook(body, headersOf(new Date(Date.now() + 310_000)), secret), /too far/)
  await verifyWebhook(body, headersOf(new Date(Date.now() - 3_600_000)), secret, { tolerance_s: 7200 })
})
