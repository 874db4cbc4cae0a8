// Spans as OpenTelemetry's SDK for Node makes and sends them.
//
//	node otlp.mjs URL KEY [HOW…]
//
// HOW is of "proto", "json", "proto+gzip" and "json+gzip"; each sends one trace: POST /orders and, within it, chat gpt-4o.
// What became of each is printed as JSON: the trace's id, and the exporter's result.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { context, trace, SpanKind, SpanStatusCode } = require('@opentelemetry/api')
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const exporters = {
  proto: require('@opentelemetry/exporter-trace-otlp-proto').OTLPTraceExporter,
  json: require('@opentelemetry/exporter-trace-otlp-http').OTLPTraceExporter,
}

const [url, key, ...hows] = process.argv.slice(2)

async function send(how) {
  const [encoding, compression] = how.split('+')
  const exporter = new exporters[encoding]({ url, headers: { Authorization: `Bearer ${key}` }, compression: compression ?? 'none' })
  const results = []
  const send = exporter.export.bind(exporter)
  exporter.export = (spans, done) => send(spans, (result) => {
    results.push({ code: result.code, error: result.error?.message, status: result.error?.code, data: result.error?.data })
    done(result)
  })
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop', 'observability.project.id': 'another' }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  const tracer = provider.getTracer('checkout', '1.2.3')
  const root = tracer.startSpan('POST /orders', {
    kind: SpanKind.SERVER,
    attributes: { 'http.response.status_code': 201, ratio: 0.25, ok: true, words: ['a', 'b'], text: 'Grüße', 'observability.tags': '["sdk"]' },
  })
  const child = tracer.startSpan('chat gpt-4o', {
    kind: SpanKind.CLIENT,
    attributes: {
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': 1200,
      'gen_ai.usage.output_tokens': 345,
      'gen_ai.conversation.id': how,
    },
  }, trace.setSpan(context.active(), root))
  child.addEvent('first token', { ms: 12 })
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'cut off' })
  child.end()
  root.end()
  await provider.forceFlush().catch(() => {})
  await provider.shutdown().catch(() => {})
  return { how, trace: root.spanContext().traceId, results }
}

const sent = []
for (const how of hows) sent.push(await send(how))
console.log(JSON.stringify(sent))
