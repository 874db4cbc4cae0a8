import { html } from '../parts/html.js'
import { resource } from '../parts/resource.js'

export const files = resource({
  path: 'files', title: 'Files', group: 'Product',
  about: html`What the team has put here for its agents and its users: <a href="/files.html" target="_blank" rel="noopener">the guide</a>.`,
  list: 'list_platform_dashboard_files',
  name: (row) => row.original_filename,
  columns: [
    { key: 'original_filename', label: 'name', main: true },
    { key: 'file_size', label: 'size', as: 'bytes' },
    { key: 'content_type', label: 'type', as: 'code' },
    { key: 'is_shared', label: 'shared' },
    { key: 'created_at', label: 'put here', as: 'ago', wide: true },
  ],
  update: { operation: 'update_platform_dashboard_file' },
  remove: { operation: 'delete_platform_dashboard_file', title: 'Delete the file?', text: (row) => `${row.original_filename} is gone for everybody.`, said: 'The file is deleted.' },
})
