// How pages look, to whom they are shown: findings of axe-core, in each width and scheme that a reader may have, and what is printed.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

// What is laid out anew has been told so.
const settled = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))

async function show(page, width, colorScheme) {
  await page.setViewportSize({ width, height: 844 })
  await page.emulateMedia({ colorScheme })
  await settled(page)
}

// What axe-core finds in the page as it is, of all its rules or of these.
export async function findings(page, rules) {
  await page.evaluate(`globalThis.axe ?? (() => { ${axe} })()`)
  return page.evaluate(async (rules) => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'], ...(rules && { runOnly: { type: 'rule', values: rules } }) })
    return violations.flatMap(({ id, impact, nodes }) => nodes.map((node) => `${impact} ${id}: ${node.target.join(' ')} (${node.failureSummary.replace(/\s+/g, ' ')})`))
  }, rules)
}

// What a page has to be in every width, and in both schemes.  Its text is the same in both widths, and a scheme changes colours
// and nothing else: so all rules are asked once a width, each by another scheme.  What only one width has is the frame, which is that
// of all pages: to look at it by the other scheme, too, one page is enough.
export async function looks(page, isFrameSeen) {
  const found = []
  const overflow = {}
  const wanted = [[1280, 'light'], [390, 'dark'], ...(isFrameSeen ? [] : [[1280, 'dark', ['color-contrast']], [390, 'light', ['color-contrast']]])]
  for (const [width, scheme, rules] of wanted) {
    await show(page, width, scheme)
    for (const finding of await findings(page, rules)) found.push(`${width} px, ${scheme}: ${finding}`)
  }
  const above = await page.evaluate(() => (document.querySelector('main').innerText.trim() ? document.querySelector('h1').getBoundingClientRect().top + scrollY : Infinity))
  for (const width of [390, 820, 1440]) {
    await show(page, width, 'light')
    overflow[width] = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  }
  return { found, above, overflow }
}

// What comes out of a printer, for somebody who reads by night: A4 within its margins.
export async function printed(page) {
  await page.setViewportSize({ width: 672, height: 980 })
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  await settled(page)
  const seen = await page.evaluate(() => ({
    shown: ['body > header', '.skip', '.guide', '.contents', '.turn', '.copied button'].filter((what) => [...document.querySelectorAll(what)].some((e) => e.checkVisibility())),
    cut: [...document.querySelectorAll('pre, .table, main')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent.slice(0, 60)),
    paper: getComputedStyle(document.documentElement).getPropertyValue('--paper').trim(),
    ink: getComputedStyle(document.body).color,
    links: [...document.querySelectorAll('main a[href^="http"]')].map((a) => getComputedStyle(a, '::after').content),
  }))
  await page.emulateMedia({ media: null, colorScheme: null })
  return seen
}
