// What every part is written with: preact, its hooks, and htm in the place of JSX, so that a source is what the browser runs.
import { h } from 'preact'
import htm from 'htm'

export const html = htm.bind(h)
export { render } from 'preact'
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
