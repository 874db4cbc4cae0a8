// Log records as OpenTelemetry's SDK for Node makes and sends them.
//
//	node otlp_logs.mjs URL KEY [HOW…]
//
// HOW is of "proto", "json", "proto+gzip" and "json+gzip"; each sends two records of one trace and one of none.
// What became of each is printed as JSON: the trace's id, the span's, and the exporter's result.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { context, trace, TraceFlags, ROOT_CONTEXT } = require('@opentelemetry/api')
const { SeverityNumber } = require('@opentelemetry/api-logs')
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const exporters = {
  proto: require('@opentelemetry/exporter-logs-otlp-proto').OTLPLogExporter,
  json: require('@opentelemetry/exporter-logs-otlp-http').OTLPLogExporter,
}

const [url, key, ...hows] = process.argv.slice(2)

async function send(how, i) {
  const [encoding, compression] = how.split('+')
  const exporter = new exporters[encoding]({ url, headers: { Authorization: `Bearer ${key}` }, compression: compression ?? 'none' })
  const results = []
  const send = exporter.export.bind(exporter)
  exporter.export = (records, done) => send(records, (result) => {
    results.push({ code: result.code, error: result.error?.message, status: result.error?.code, data: result.error?.data })
    done(result)
  })
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop', 'observability.project.id': 'another' }),
    processors: [new BatchLogRecordProcessor({ exporter })],
  })
  const logger = provider.getLogger('checkout', '1.2.3')
  const spanContext = { traceId: `5b8efff798038103d269b633813fc6${(i + 16).toString(16)}`, spanId: 'eee19b7ec3c1b174', traceFlags: TraceFlags.SAMPLED }
  const within = trace.setSpanContext(context.active(), spanContext)
  logger.emit({ context: within, severityNumber: SeverityNumber.INFO, severityText: 'info', body: 'Grüße',
    attributes: { status: 201, ratio: 0.25, ok: true, words: ['a', 'b'] } })
  logger.emit({ context: within, severityNumber: SeverityNumber.ERROR2, eventName: 'payment.failed', body: { card: { last4: '4242' }, tries: 3 } })
  logger.emit({ context: ROOT_CONTEXT, body: how })
  await provider.forceFlush().catch(() => {})
  await provider.shutdown().catch(() => {})
  return { how, trace: spanContext.traceId, span: spanContext.spanId, results }
}

const sent = []
for (const [i, how] of hows.entries()) sent.push(await send(how, i))
console.log(JSON.stringify(sent))
