// A list of what is to be done: a project of the user for each, whose description says "done" when it is.  What one window changes, the
// others hear of on the user's own channel.  The SDK does the rest: the session, what is repeated while the server is away, and the
// connection that comes back.
//
//	?url=https://localhost:8443&key=pk_live_…	where the API is, and the public key of this page's origin
const query = new URLSearchParams(location.search)
const url = query.get('url') ?? 'https://localhost:8443'
const { createClient, Realtime, app: { projects, users } } = await import(`${url}/sdk/ashlar.js`)

// While the server is restarted, what was begun is tried again for a minute; a to-do is made once, however often that is.
const ashlar = createClient({ url, key: query.get('key') ?? undefined, retries: 15 }, { projects, users })
const $ = (id) => document.getElementById(id)
let realtime, mine, todos = []

function problem(error) {
  $('problem').textContent = error ? error.message : ''
  $('problem').hidden = !error
}

// Do it, and say what went wrong.
const trying = (work) => async (event) => {
  event?.preventDefault?.() // what is told of, and not clicked, has none
  problem()
  try {
    await work(event)
  } catch (error) {
    problem(error)
  }
}

function draw() {
  $('list').replaceChildren(...todos.map((todo) => {
    const row = document.createElement('li'), label = document.createElement('label'), box = document.createElement('input'), name = document.createElement('span'), remove = document.createElement('button')
    const isDone = todo.description === 'done'
    row.className = [isDone && 'is-done', !todo.id && 'is-waiting'].filter(Boolean).join(' ')
    box.type = 'checkbox'
    box.checked = isDone
    name.textContent = todo.name
    remove.textContent = 'Remove'
    remove.className = 'second'
    remove.setAttribute('aria-label', `Remove ${todo.name}`)
    box.disabled = remove.disabled = !todo.id
    box.onchange = trying(() => changed(ashlar.projects.update({ project_id: todo.id, description: box.checked ? 'done' : null })))
    remove.onclick = trying(() => changed(ashlar.projects.delete({ project_id: todo.id })))
    label.append(box, name)
    row.append(label, remove)
    return row
  }))
}

async function read() {
  const all = []
  for await (const project of ashlar.projects.list({ limit: 100 })) all.push(project)
  todos = all
  draw()
}

// Something was changed here: the list is read anew, in all windows.
async function changed(change) {
  await change
  try {
    mine.send({ changed: true })
  } catch {
    // Not connected now; the others read all of it when they are again.
  }
  await read()
}

async function show() {
  const isSigned = (await ashlar.session.tokens()) !== null
  $('sign').hidden = isSigned
  $('signed').hidden = !isSigned
  realtime?.close()
  realtime = undefined
  if (!isSigned) return
  const me = await ashlar.users.getMe()
  $('who').textContent = me.email
  realtime = new Realtime(ashlar, {
    on_status(status) {
      $('status').textContent = { online: 'All windows are up to date.', offline: 'The server is away; it is tried again.', connecting: 'Connecting …', closed: 'Signed out.' }[status]
      $('status').dataset.is = status
      if (status === 'online') void trying(read)()
    },
  })
  mine = realtime.subscribe(`user:${me.id}`, { on_message: trying(read), on_missed: trying(read) })
  await read()
}

$('sign').onsubmit = trying(async (event) => {
  const who = Object.fromEntries(new FormData(event.target))
  const answer = event.submitter?.value === 'up' ? await ashlar.auth.signUp(who) : await ashlar.auth.signIn(who)
  if (answer.mfa_required) await ashlar.auth.verify({ mfa_token: answer.mfa_token, code: prompt('The code of your app') ?? '' })
  if (answer.verification_required) throw new Error('A mail is on its way: open its link, then sign in.')
})

$('add').onsubmit = trying(async (event) => {
  const name = new FormData(event.target).get('name')
  event.target.reset()
  todos.unshift({ name, description: null })
  draw()
  await changed(ashlar.projects.create({ name }))
})

$('out').onclick = trying(() => ashlar.auth.signOut())

// Another window may sign in or out: this one does so, too.
ashlar.session.onChange(trying(show))
await trying(show)()
