// Commands in the guide name the address that make run has by default; here
// they name the one that the reader is at.
for (const code of document.querySelectorAll('pre code'))
  if (code.textContent.includes('https://localhost:8443'))
    for (const node of code.childNodes)
      if (node.nodeType === Node.TEXT_NODE)
        node.data = node.data.replaceAll('https://localhost:8443', location.origin)

// What is to be pasted can be copied.
for (const pre of document.querySelectorAll('pre:not(.answer)')) {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Copy' })
  const box = Object.assign(document.createElement('div'), { className: 'copied' })
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(pre.textContent)
    button.textContent = 'Copied'
    setTimeout(() => { button.textContent = 'Copy' }, 2000)
  })
  pre.replaceWith(box)
  box.append(pre, button)
}

// What scrolls sideways can be scrolled with keys.
for (const wide of document.querySelectorAll('pre, .table'))
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0
