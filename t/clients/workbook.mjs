// What a spreadsheet (exceljs) sees in a workbook that it is sent: its sheets, the type and the value of each cell.
import ExcelJS from 'exceljs'

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const book = new ExcelJS.Workbook()
await book.xlsx.load(Buffer.concat(chunks))
const names = Object.fromEntries(Object.entries(ExcelJS.ValueType).map(([name, n]) => [n, name]))
const sheets = book.worksheets.map((sheet) => {
  const rows = []
  sheet.eachRow({ includeEmpty: true }, (row) => {
    const cells = []
    for (let i = 1; i <= sheet.columnCount; i++) {
      const { type, value } = row.getCell(i)
      cells.push([names[type], value instanceof Date ? value.toISOString() : value])
    }
    rows.push(cells)
  })
  return { name: sheet.name, rows }
})
console.log(JSON.stringify(sheets))
