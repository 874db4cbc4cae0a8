// A chart of columns, drawn from numbers of the API: { points: [{ label, value }], title, format, sums: whether they add up }.  Who does not see it has its
// title, its range in words, and the numbers as a table behind it.
import { html, useId } from './html.js'
import { number } from './values.js'

const WIDTH = 640
const HEIGHT = 160
const GAP = 2

export function Chart({ title, points, format = number, about, sums = true }) {
  const id = useId()
  const most = Math.max(0, ...points.map(({ value }) => value))
  const step = WIDTH / Math.max(1, points.length)
  const total = points.reduce((sum, { value }) => sum + value, 0)
  const range = points.length ? `${points[0].label} to ${points.at(-1).label}: ${sums ? `${format(total)} in all, ` : ''}${format(most)} at most` : 'nothing yet'
  return html`<figure class="chart">
    <figcaption>${title}<span class="faint"> · ${range}</span></figcaption>
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-labelledby=${`${id}-t ${id}-d`} preserveAspectRatio="none">
      <title id=${`${id}-t`}>${title}</title>
      <desc id=${`${id}-d`}>${about ?? range}</desc>
      <line class="axis" x1="0" x2=${WIDTH} y1=${HEIGHT - 0.5} y2=${HEIGHT - 0.5} />
      ${points.map(({ label, value }, i) => {
    const height = Math.max(value > 0 ? 2 : 0, (value / (most || 1)) * (HEIGHT - 8))
    return html`<rect key=${label} x=${i * step + GAP / 2} y=${HEIGHT - height} width=${Math.max(1, step - GAP)} height=${height}><title>${label}: ${format(value)}</title></rect>`
  })}
    </svg>
    <details><summary>As a table</summary>
      <div class="table" tabindex="0" role="region" aria-label=${`${title}, as a table`}><table><thead><tr><th scope="col">When</th><th scope="col">${title}</th></tr></thead>
      <tbody>${points.map(({ label, value }) => html`<tr key=${label}><th scope="row">${label}</th><td>${format(value)}</td></tr>`)}</tbody></table></div>
    </details>
  </figure>`
}
