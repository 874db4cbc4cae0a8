// Mails that were kept and not sent, in development: to follow their links.
import { html } from '../parts/html.js'
import { href } from '../parts/router.js'
import { Load } from '../parts/load.js'
import { resource } from '../parts/resource.js'
import { as, Facts } from '../parts/values.js'
import { readMail } from '../parts/mail.js'

const LINK = /(https?:\/\/[^\s<>"]+)/

// A link of a mail is one here, too.
const Text = ({ text }) => html`<pre class="answer" tabindex="0">${text.split(LINK).map((part, i) => (i % 2 ? html`<a href=${part} target="_blank" rel="noopener noreferrer">${part}</a>` : part))}</pre>`

function Detail({ id }) {
  return html`<p><a href=${href('mails')}>All mails</a></p>
    <${Load} id="get_platform_dashboard_mail" path=${{ job_id: id }}>${(mail) => {
    const { subject, text } = readMail(mail.source)
    return html`<h1 tabindex="-1">${subject || mail.template}</h1>
      <${Facts} row=${mail} columns=${[{ key: 'to' }, { key: 'template', as: 'code' }, { key: 'sent_at', label: 'kept', as: 'datetime' }]} />
      <h2>Text</h2><${Text} text=${text} />
      <details><summary>The whole mail, as it would be sent</summary>${as.json(mail.source)}</details>`
  }}<//>`
}

export const mails = resource({
  path: 'mails', title: 'Mails', group: 'Build',
  about: html`In development mails are kept and not sent: here are their links and codes. In production there is nothing of this.`,
  list: 'list_platform_dashboard_mails',
  name: (row) => row.template,
  columns: [
    { key: 'template', label: 'about', main: true, show: (template, row) => html`<a href=${href('mails', row.id)}>${template.replaceAll('_', ' ')}</a>` },
    { key: 'to' },
    { key: 'sent_at', label: 'kept', as: 'ago' },
  ],
  empty: 'No mail was kept yet.',
  detail: Detail,
})
