// Commands in the guide name the address that make run has by default; here
// they name the one that the reader is at.
for (const code of document.querySelectorAll('pre code')) {
  if (!code.textContent.includes('https://localhost:8443')) continue
  const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll('https://localhost:8443', location.origin)
}

// Of a list that is longer than the window, the part that one is in.
const list = document.querySelector('.guide')
const here = list?.querySelector('[aria-current]')
if (here) list.scrollTop = here.offsetTop - list.clientHeight / 2

// What is to be pasted can be copied, as text.
for (const pre of document.querySelectorAll('pre:not(.answer)')) {
  const button = Object.assign(document.createElement('button'), { type: 'button', className: 'other', textContent: 'Copy' })
  const box = Object.assign(document.createElement('div'), { className: 'copied' })
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(pre.textContent)
    button.textContent = 'Copied'
    setTimeout(() => { button.textContent = 'Copy' }, 2000)
  })
  pre.replaceWith(box)
  box.append(pre, button)
}

// Who reads in one language does so on all pages.
const languages = [...document.querySelectorAll('.twins input')]
function read(language) {
  for (const input of languages) input.checked = input.classList.contains(language)
}
for (const input of languages)
  input.addEventListener('change', () => {
    const top = input.getBoundingClientRect().top
    read(input.className)
    localStorage.setItem('language', input.className)
    scrollBy(0, input.getBoundingClientRect().top - top)
  })
if (languages.length && localStorage.getItem('language')) read(localStorage.getItem('language'))

// What scrolls sideways can be scrolled with keys, and says what it is; in a window where it does not, it is no stop on the way.
const named = new Map()
function nameOf(wide) {
  const all = [...document.querySelectorAll('main h1, main h2, main h3')]
  const over = all.filter((h) => h.compareDocumentPosition(wide) & Node.DOCUMENT_POSITION_FOLLOWING).at(-1)
  const name = `${wide.matches('pre') ? 'Code' : 'Table'}: ${over?.textContent.trim() ?? document.title}`
  const n = (named.get(name) ?? 0) + 1
  named.set(name, n)
  return n > 1 ? `${name} (${n})` : name
}
const fitting = new ResizeObserver((changes) => {
  for (const { target } of changes) {
    const scrolls = target.scrollWidth > target.clientWidth
    if (scrolls === target.hasAttribute('tabindex')) continue
    if (scrolls) {
      target.ariaLabel ??= nameOf(target)
      target.setAttribute('role', 'region')
      target.tabIndex = 0
    } else {
      for (const name of ['role', 'tabindex']) target.removeAttribute(name)
    }
  }
})
for (const wide of document.querySelectorAll('pre, .table')) fitting.observe(wide)
