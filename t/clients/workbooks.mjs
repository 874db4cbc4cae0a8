// Workbooks as other programs write them (exceljs, SheetJS), and parts that none writes: {name: base64 of the file}.
// With a number as its argument: one of so many rows, as it is.
import ExcelJS from 'exceljs'
import XLSX from 'xlsx'
import { PassThrough } from 'node:stream'

async function many (rows) {
  const out = new PassThrough()
  out.pipe(process.stdout)
  const book = new ExcelJS.stream.xlsx.WorkbookWriter({ stream: out, useSharedStrings: true, useStyles: true })
  const sheet = book.addWorksheet('Many')
  sheet.addRow(['N', 'Text', 'On', 'Kind']).commit()
  for (let i = 1; i <= rows; i++) {
    const row = sheet.addRow([i, `a text that only row ${i} has, or nearly`, new Date(Date.UTC(2000, 0, 1 + i % 9000)), ['sand', 'mud', 'rock'][i % 3]])
    row.getCell(3).numFmt = 'yyyy-mm-dd'
    row.commit()
  }
  await book.commit()
}

const made = {}
async function keep (name, book) { made[name] = Buffer.from(await book.xlsx.writeBuffer()).toString('base64') }
function sheetjs (name, book, options) { made[name] = XLSX.write(book, { type: 'base64', bookType: 'xlsx', ...options }) }

function dates (is1904) {
  const book = new ExcelJS.Workbook()
  book.properties.date1904 = is1904
  const sheet = book.addWorksheet('Dates')
  sheet.addRow(['Format', 'Value'])
  // numbers, so that what they mean is the reader's to say
  for (const [format, value] of [
    ['yyyy-mm-dd', 0], ['yyyy-mm-dd', 1], ['yyyy-mm-dd', 59], ['yyyy-mm-dd', 60], ['yyyy-mm-dd', 61], ['yyyy-mm-dd', 46053], ['d.m.yy', 46053.395833333336],
    ['mm-dd-yy', 46053], ['m/d/yy h:mm', 46053.5], ['h:mm', 0.75], ['[h]:mm:ss', 1.25], ['mm:ss.0', 0.0005787037037037037], ['[$-407]dddd, d. mmmm yyyy', 46053], ['"day" 0.00', 46053],
    ['0.00E+00', 46053], ['[Red]0', 46053], ['General', 46053.25], ['yyyy-mm-dd', 2958465], ['yyyy-mm-dd', 2958466], ['yyyy-mm-dd', -1], ['mmm\\ yyyy', 46053], ['yyyy-mm-dd hh:mm:ss.000', 46053.99999999], ['0.0"s"', 2]
  ]) {
    const row = sheet.addRow([format, value])
    row.getCell(2).numFmt = format
  }
  return book
}
await keep('dates', dates(false))
await keep('dates1904', dates(true))

{ // texts, formulas, errors, merged cells, what is only styled
  const book = new ExcelJS.Workbook()
  const hidden = book.addWorksheet('First')
  hidden.addRow(['nothing'])
  const sheet = book.addWorksheet('Real one')
  sheet.addRow(['Place', 'Depth', 'Sum', 'Is', 'Link'])
  sheet.addRow([{ richText: [{ text: 'Off ' }, { font: { bold: true }, text: 'the mole' }] }, 7.5, { formula: 'B2*2', result: 15 }, true, { text: 'site', hyperlink: 'https://example.com/' }])
  sheet.addRow(['  blanks  ', { error: '#N/A' }, { formula: 'B3', result: { error: '#DIV/0!' } }, false])
  sheet.addRow(['& <b> "q"\ttab\ncr', 0.1 + 0.2, { formula: 'A1&"x"', result: 'text x' }, { formula: 'TRUE()', result: true }])
  sheet.addRow(['merged', 1])
  sheet.addRow(['covered', 2])
  sheet.mergeCells('A5:B6')
  sheet.getCell('D9').value = true
  sheet.getCell('A9').value = 'sparse'
  for (let i = 10; i <= 60; i++) for (let k = 1; k <= 30; k++) sheet.getCell(i, k).fill = { type: 'pattern', pattern: 'solid', fgColor: { argb: 'FFFF0000' } }
  await keep('cells', book)
}
{ // SheetJS: strings in cells, its own way with dates, a range that is wrong
  const sheet = XLSX.utils.aoa_to_sheet([[], [], ['A', 'B', 'When'], ['x', 1, new Date(Date.UTC(2026, 0, 31))], [], ['y', 2, null]], { cellDates: true })
  const book = XLSX.utils.book_new()
  XLSX.utils.book_append_sheet(book, sheet, 'S')
  sheet['!merges'] = [{ s: { r: 3, c: 0 }, e: { r: 3, c: 1 } }]
  sheetjs('sheetjs', book, { bookSST: false, cellDates: true })
  sheetjs('sheetjs_shared', book, { bookSST: true })
}
if (process.argv[2]) await many(Number(process.argv[2]))
else console.log(JSON.stringify(made))
