// What jsts (JTS) and Turf say of geometries.
//
//	node t/clients/space.mjs make SEED COUNT	COUNT pairs of geometries, a line of JSON each: what relates by jsts
//	node t/clients/space.mjs far SEED COUNT	COUNT pairs of points, and their metres by Turf
//
// Coordinates are whole eighths of a degree, so that borders touch, corners meet, and every number is exact in both.
import { distance, point } from '@turf/turf'
import GeoJSONReader from 'jsts/org/locationtech/jts/io/GeoJSONReader.js'
import RelateOp from 'jsts/org/locationtech/jts/operation/relate/RelateOp.js'
import IsValidOp from 'jsts/org/locationtech/jts/operation/valid/IsValidOp.js'

const [what, seed, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
let state = seed >>> 0
// mulberry32
function random() {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const below = (n) => Math.floor(random() * n)
const reader = new GeoJSONReader()
const read = (geometry) => reader.read(geometry)

const at = () => [below(17) / 8, below(17) / 8]
const ring = (w, s, e, n) => [[w, s], [e, s], [e, n], [w, n], [w, s]]
function box() {
  const [w, s] = [below(14) / 8, below(14) / 8]
  return [w, s, w + (1 + below(8)) / 8, s + (1 + below(8)) / 8]
}
// A ring of some corners around a middle, in the order of their angles.
function star() {
  const [x, y] = [1 + below(5) / 8, 1 + below(5) / 8]
  const corners = [...new Map(Array.from({ length: 3 + below(6) }, at).map((c) => [Math.atan2(c[1] - y, c[0] - x), c])).entries()]
    .sort((a, b) => a[0] - b[0]).map(([, c]) => c)
  return [[...corners, corners[0]]]
}
function holed() {
  const [w, s, e, n] = [below(4) / 8, below(4) / 8, 1 + below(9) / 8, 1 + below(9) / 8]
  const [x, y] = [w + below(3) / 8, s + below(3) / 8]
  return [ring(w, s, e, n), ring(x, y, Math.min(e, x + (1 + below(4)) / 8), Math.min(n, y + (1 + below(4)) / 8)).reverse()]
}
const makers = [
  () => ({ type: 'Point', coordinates: at() }),
  () => ({ type: 'LineString', coordinates: Array.from({ length: 2 + below(4) }, at) }),
  () => ({ type: 'Polygon', coordinates: [ring(...box())] }),
  () => ({ type: 'Polygon', coordinates: star() }),
  () => ({ type: 'Polygon', coordinates: holed() }),
  () => ({ type: 'MultiPoint', coordinates: Array.from({ length: 1 + below(4) }, at) }),
  () => ({ type: 'MultiLineString', coordinates: Array.from({ length: 1 + below(3) }, () => [at(), at()]) }),
  () => ({ type: 'MultiPolygon', coordinates: [[ring(...box())], [ring(...box())]] }),
]
function geometry() {
  for (;;) {
    const one = makers[below(makers.length)]()
    try {
      const g = read(one)
      if (IsValidOp.isValid(g) && !g.isEmpty() && (g.getDimension() !== 1 || g.getLength() > 0)) return [one, g]
    } catch {
      // a ring of two corners
    }
  }
}

for (let i = 0; i < count; i++) {
  if (what === 'far') {
    const [p, q] = [0, 1].map(() => [Math.round((random() * 360 - 180) * 1e6) / 1e6, Math.round((random() * 178 - 89) * 1e6) / 1e6])
    const near = random() < 0.8
    if (near) q[0] = Math.round((p[0] + (random() - 0.5) * 4) * 1e6) / 1e6, q[1] = Math.round(Math.max(-89.9, Math.min(89.9, p[1] + (random() - 0.5) * 4)) * 1e6) / 1e6
    if (q[0] > 180) q[0] -= 360
    if (q[0] < -180) q[0] += 360
    console.log(JSON.stringify({ p, q, metres: distance(point(p), point(q), { units: 'meters' }) }))
  } else {
    const [[target, t], [source, s]] = [geometry(), geometry()]
    const m = RelateOp.relate(t, s)
    console.log(JSON.stringify({ target, source, INTERSECTS: m.isIntersects(), WITHIN: m.isWithin(), CONTAINS: m.isContains(), touches: m.isTouches(t.getDimension(), s.getDimension()) }))
  }
}
