// Server-sent events, as the HTML standard has them, out of an answer's body.
import { AshlarError, brokenOff } from './errors.js'

export interface ServerEvent {
  /** "message", where the server named none. */
  event: string
  /** What came: parsed where it is an object or a list in JSON, else the text. */
  data: any
  /** The event's id, or that of the last one that had one. */
  id: string | undefined
}

function parsed(text: string): unknown {
  try {
    return /^[{[]/.test(text) ? JSON.parse(text) : text
  } catch {
    return text
  }
}

/** Each event as it comes, as_text: unparsed.  Leaving the loop closes the connection; what breaks it is thrown. */
export async function* eventsOf(response: Response, { as_text = false, on_retry }: { as_text?: boolean, on_retry?: (milliseconds: number) => void } = {}): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader()
  let rest = '', event = '', data: string[] = [], id: string | undefined
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(brokenOff)
      if (done) return
      rest += value
      // A line feed may still follow a carriage return that stands at the end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop()!
      for (const line of lines) {
        const [, name, text = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
        if (name === 'event') event = text
        if (name === 'data') data.push(text)
        if (name === 'id' && !text.includes('\0')) id = text
        if (name === 'retry' && /^\d+$/.test(text)) on_retry?.(Number(text))
        if (line !== '') continue
        if (data.length) yield { event: event || 'message', data: as_text ? data.join('\n') : parsed(data.join('\n')), id }
        event = ''
        data = []
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

// A piece of text, of the forms that models' answers have here: ours (version 2), OpenAI's two, Anthropic's.
const pieceOf = (data: any): unknown => data.choices?.[0]?.delta?.content ?? data.delta?.text ?? (data.type === 'response.output_text.delta' ? data.delta : data.content)

/** The text of a model's answer, piece by piece; an error that comes after its beginning is thrown. */
export async function* textsOf(events: AsyncIterable<ServerEvent>): AsyncGenerator<string, void, undefined> {
  for await (const { event, data: came } of events) {
    const data = event === 'error' && typeof came === 'string' ? parsed(came) : came
    if (data === '[DONE]' || event === 'done') return
    const error = data?.error ?? (event === 'error' ? data : undefined)
    if (error) throw new AshlarError(200, error.code ?? 'EXTERNAL_SERVICE_ERROR', error.message ?? String(error))
    const piece = typeof data === 'string' ? data : pieceOf(data)
    if (typeof piece === 'string' && piece !== '') yield piece
  }
}
