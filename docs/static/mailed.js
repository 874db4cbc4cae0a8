// The pages that mailed links open.  Programs that look through mails follow
// links, so opening one does nothing: the token is posted on a click.
const token = new URLSearchParams(location.search).get('token')
const form = document.querySelector('form')
const result = document.querySelector('[role=status]')

// It need not stay in the address bar, nor in what the browser remembers.
history.replaceState(null, '', location.pathname)

for (const place of document.querySelectorAll('.token'))
  place.textContent = token ?? ''

if (!token) {
  result.textContent = 'This link is not complete: open it from the mail once more, as a whole.'
  if (form)
    form.hidden = true
}

form?.addEventListener('submit', async event => {
  event.preventDefault()
  const button = form.querySelector('button')
  button.disabled = true
  result.textContent = ''
  try {
    const answer = await fetch(form.dataset.post, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) }),
    })
    const body = await answer.json()
    if (answer.ok) {
      form.hidden = true
      result.textContent = form.dataset.done
      return
    }
    result.textContent = body.error?.code === 'TOKEN_INVALID'
      ? 'This link has been used already, or it is too old. Ask for another mail.'
      : `That did not work: ${body.detail}.`
  } catch {
    result.textContent = 'The server cannot be reached at the moment. Try again in a minute.'
  }
  button.disabled = false
})
