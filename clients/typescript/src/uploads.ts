// Uploads that show how far they are and go on where they broke off: by tus 1.0 where the server keeps files itself, in parts where
// they are in a bucket.
import { type Client, newKey } from './client.js'
import { AshlarError, brokenOff } from './errors.js'
import { backoff, pause } from './http.js'
import type { Answer } from './types.js'

/** Where an upload is remembered, so that a page that was left goes on with it: localStorage is one. */
export type Memory = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

export interface UploadOptions {
  name?: string
  type?: string
  /** 64 hexadecimal digits: no other content is taken. */
  sha256?: string
  signal?: AbortSignal
  on_progress?: (sent: number, total: number) => void
  memory?: Memory
  /** Bytes a piece; what breaks off is sent again from the last whole one: 4 MiB, if left out. */
  piece?: number
  /** How often it is tried without getting further: 10, if left out. */
  retries?: number
}

const TUS = { 'Tus-Resumable': '1.0.0' }
const base64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

/** Upload a file of the user; the answer is its id.  Called again with the same file and memory, it goes on. */
export async function upload(client: Client, file: Blob, options: UploadOptions = {}): Promise<{ file_id: string }> {
  const { name = (file as File).name ?? 'file', signal, memory, sha256 } = options
  const type = options.type ?? (file.type || 'application/octet-stream')
  const key = `ashlar.upload ${name} ${type} ${file.size} ${(file as File).lastModified ?? ''}`
  const asking = { ...(signal && { signal }), idempotency_key: newKey(), is_repeatable: true }
  for (let url = memory?.getItem(key) ?? '', isNew = !url; ; isNew = true) {
    if (!url) {
      const metadata = Object.entries({ filename: name, filetype: type, ...(sha256 && { sha256 }) }).map(([what, text]) => `${what} ${base64(text)}`)
      try {
        const headers = { ...TUS, 'Upload-Length': String(file.size), 'Upload-Metadata': metadata.join() }
        url = (await client.json<Answer<'create_app_resumable_upload'>>('POST', '/api/v1/app/files/tus', { ...asking, headers })).upload_url
      } catch (error) {
        if (!(error instanceof AshlarError) || error.code !== 'CONFLICT') throw error
        return inParts(client, file, { name, type, ...options })
      }
      memory?.setItem(key, url)
    }
    try {
      const file_id = await resume(client, file, url, options)
      memory?.removeItem(key)
      return { file_id }
    } catch (error) {
      // One that was remembered may have ended; what was refused for what it is begins anew the next time.
      const isGone = error instanceof AshlarError && [403, 404, 410, 422].includes(error.status)
      if (isGone) memory?.removeItem(key)
      if (!isGone || isNew) throw error
      url = ''
    }
  }
}

async function resume(client: Client, file: Blob, url: string, { signal, on_progress, piece = 4 << 20, retries = 10 }: UploadOptions): Promise<string> {
  const look = async () => (await send('GET')).json().catch(brokenOff) as Promise<{ offset: number, length: number, file_id?: string }>
  const send = (method: string, more: { body?: Blob, headers?: Record<string, string> } = {}) =>
    client.fetch(method, url, { ...more, headers: { ...TUS, ...more.headers }, ...(signal && { signal }) })
  for (let failed = 0, offset = -1; ; ) {
    try {
      const there = await look()
      if (there.offset > offset) failed = 0
      for (offset = there.offset; ; offset = Math.min(offset + piece, file.size)) {
        on_progress?.(offset, file.size)
        if (offset >= file.size) break
        await (await send('PATCH', { body: file.slice(offset, offset + piece), headers: { 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(offset) } })).text()
        failed = 0
      }
      const { file_id } = await look()
      if (file_id) return file_id
    } catch (error) {
      const isPassing = error instanceof AshlarError && ([0, 409, 423, 429].includes(error.status) || error.status >= 500)
      if (!isPassing || failed >= retries) throw error
      await pause((error.retry_after ?? 0) * 1000 + backoff(failed), signal)
    }
    failed++
  }
}

async function inParts(client: Client, file: Blob, { name, type, sha256, signal, on_progress }: UploadOptions & { name: string, type: string }): Promise<{ file_id: string }> {
  const asked = { ...(signal && { signal }) }
  const ask = <T>(path: string, body: object) => client.json<T>('POST', path, { ...asked, body, idempotency_key: newKey(), is_repeatable: true })
  const put = async (url: string, body: Blob, headers = {}) => (await client.fetch('PUT', url, { ...asked, body, headers, retries: 5 })).text()
  const begun = await ask<Answer<'create_app_upload_url'>>('/api/v1/app/files/upload-url', { filename: name, content_type: type, size: file.size, ...(sha256 && { sha256 }) })
  on_progress?.(0, file.size)
  if (!begun.in_parts) await put(begun.upload_url, file, begun.headers as Record<string, string>)
  for (let first: number | null = begun.in_parts ? 1 : null, sent = 0, renewed = 0; first; ) {
    const { parts, next }: Answer<'create_app_part_urls'> = await ask(`/api/v1/app/files/${begun.file_id}/parts`, { first })
    first = next
    for (const part of parts) {
      try {
        if (!part.is_uploaded) await put(part.upload_url, file.slice(sent, sent + part.size))
      } catch (error) {
        // An address is good for a while, and a slow line may take longer: another one, once for each part.
        if (!(error instanceof AshlarError) || error.status !== 403 || renewed === part.number) throw error
        first = renewed = part.number
        break
      }
      on_progress?.((sent += part.size), file.size)
    }
  }
  const { id } = await ask<Answer<'confirm_app_upload'>>('/api/v1/app/files/confirm', { file_id: begun.file_id })
  on_progress?.(file.size, file.size)
  return { file_id: id }
}
