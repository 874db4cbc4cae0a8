// What a mail says: its subject, and its plain text, out of the form in which it is sent (RFC 5322, 2045, 2047).
//
//	readMail(source)	{ subject, text }
const utf8 = new TextDecoder()
const bytesOf = (binary) => Uint8Array.from(binary, (c) => c.charCodeAt(0) & 0xff)
const quoted = (text) => utf8.decode(bytesOf(text.replace(/=\r?\n/g, '').replace(/=([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))))
const base64 = (text) => utf8.decode(bytesOf(atob(text.replace(/\s/g, ''))))

// =?utf-8?B?…?=, =?utf-8?Q?…?=
const words = (text) => text.replace(/(\?=)\s+(=\?)/g, '$1$2').replace(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_, kind, data) => (kind.toUpperCase() === 'B' ? base64(data) : quoted(data.replaceAll('_', ' '))))

function split(part) {
  const end = part.search(/\r?\n\r?\n/)
  const head = (end < 0 ? part : part.slice(0, end)).replace(/\r?\n[ \t]+/g, ' ')
  const headers = new Map(head.split(/\r?\n/).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  return { headers, body: end < 0 ? '' : part.slice(end).replace(/^\r?\n\r?\n/, '') }
}

function textOf({ headers, body }) {
  const type = headers.get('content-type') ?? 'text/plain'
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1]
  if (boundary) {
    const parts = body.split(`--${boundary}`).slice(1, -1).map((part) => split(part.replace(/^\r?\n/, '')))
    return textOf(parts.find((part) => /^(text\/plain|multipart\/)/i.test(part.headers.get('content-type') ?? '')) ?? parts[0] ?? { headers: new Map(), body: '' })
  }
  const how = (headers.get('content-transfer-encoding') ?? '').toLowerCase()
  return how === 'base64' ? base64(body) : how === 'quoted-printable' ? quoted(body) : body
}

export function readMail(source) {
  const mail = split(source)
  return { subject: words(mail.headers.get('subject') ?? ''), text: textOf(mail).replaceAll('\r\n', '\n').trim() }
}
