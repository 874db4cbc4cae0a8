// Commands in the guide name the address that make run has by default; here
// they name the one that the reader is at.
for (const code of document.querySelectorAll('pre code'))
  if (code.textContent.includes('https://localhost:8443'))
    for (const node of code.childNodes)
      if (node.nodeType === Node.TEXT_NODE)
        node.data = node.data.replaceAll('https://localhost:8443', location.origin)
