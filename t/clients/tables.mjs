// CSV, and the rows that are in it: what csv-spectrum has, and tables of random texts as Papa Parse writes them.
import spectrum from 'csv-spectrum'
import Papa from 'papaparse'

let seed = 20261130
const random = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n }
const letters = [' ', ',', ';', '"', '|', '\t', '\n', '\r\n', '\\', '=', 'a', '0', '.', 'Ä', '€', '🚢', ':', '/']
const text = () => Array.from({ length: random(9) }, () => letters[random(letters.length)]).join('')
const tables = []
for (let i = 0; i < 60; i++) {
  const names = Array.from({ length: 1 + random(5) }, (_, k) => `c${k}`)
  const rows = Array.from({ length: 1 + random(8) }, () => Object.fromEntries(names.map((name) => [name, text()])))
  const options = { delimiter: [',', ';', '\t', '|'][random(4)], newline: ['\n', '\r\n'][random(2)], quotes: random(2) === 1 }
  const csv = (random(2) ? '\ufeff' : '') + Papa.unparse({ fields: names, data: rows }, options)
  // What Papa Parse reads, so that it is not only its writer that is asked.
  const { data } = Papa.parse(csv.replace(/^\ufeff/, ''), { header: true, delimiter: options.delimiter, newline: options.newline })
  tables.push({ csv, rows: data })
}
spectrum((error, items) => {
  if (error) throw error
  const known = items.map(({ name, csv, json }) => ({ name, csv: csv.toString('base64'), rows: JSON.parse(json) }))
  console.log(JSON.stringify({ spectrum: known, tables: tables.map(({ csv, rows }) => ({ csv: Buffer.from(csv).toString('base64'), rows })) }))
})
