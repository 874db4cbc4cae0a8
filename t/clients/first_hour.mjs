// The page of the guide's first hour, in Chromium: signs in, and listens.
//
//	node t/clients/first_hour.mjs ADDRESS PASSWORD NEWS
//
// Says "listening" when it does, and ends when there are news with NEWS in them; then all
// that the page has shown is printed.
import { chromium } from 'playwright-core'
import { noteAnswers, noted } from './answers.mjs'

const [address, password, news] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE localhost',
  ],
})
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  noteAnswers(context)
  const page = await context.newPage()
  page.on('pageerror', (error) => console.log(`error: ${error.message}`))
  await page.goto(address)
  await page.locator('[name=password]').fill(password)
  await page.locator('button').click()
  await page.locator('li', { hasText: '"subscribed"' }).waitFor()
  console.log('listening')
  await page.locator('li', { hasText: news }).waitFor()
  for (const text of await page.locator('li').allInnerTexts()) console.log(text)
  await noted()
} finally {
  await browser.close()
}
