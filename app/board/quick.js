/**
 * Move lines and points without Plotly's full redraw. Where only values changed, and no axis or look did, what Plotly drew
 * gets new coordinates: a twentieth of the work. Hover reads Plotly's own copy, so a chart under the pointer is always
 * redrawn in full.
 */

/**
 * @param {HTMLElement} plot a Plotly chart of lines and points
 * @param {{mode: string, x: ArrayLike<number>, y: ArrayLike<number|null>, line?: any}[]} traces in Plotly's order
 * @param {{width: number, height: number}} area where they are, px
 * @returns {boolean} false where the chart does not look as expected: then draw it in full
 */
export function move(plot, traces, { width, height }, [x0, x1], [y0, y1], log) {
  const nodes = plot.querySelectorAll(".scatterlayer .trace");
  if (nodes.length !== traces.length || traces.some(({ x }) => typeof x[0] === "string")) return false;
  const drawn = traces.map(({ mode }, index) => ({
    line: nodes[index].querySelector("path.js-line"),
    points: mode.includes("markers") ? nodes[index].querySelectorAll("path.point") : null,
  }));
  const places = traces.map(({ x, y }) => placed(x, y, width / (x1 - x0), height / (y1 - y0), x0, y1, log));
  const alike = ({ line, points }, index) =>
    Boolean(line) === traces[index].mode.includes("lines") && (!points || points.length === places[index].filter(Boolean).length);
  if (!drawn.every(alike)) return false;
  drawn.forEach(({ line, points }, index) => {
    line?.setAttribute("d", path(places[index], traces[index].line?.shape === "hv") || "M0,0");
    const there = points && places[index].filter(Boolean);
    points?.forEach((point, k) => point.setAttribute("transform", `translate(${there[k][0]},${there[k][1]})`));
  });
  return true;
}

/** Where each value is, [x, y] in px with a digit behind the point; null where there is none. */
function placed(x, y, acrossX, acrossY, x0, y1, log) {
  const found = new Array(y.length);
  for (let k = 0; k < y.length; k++) {
    const value = log ? Math.log10(y[k]) : y[k];
    const there = y[k] !== null && Number.isFinite(value);
    found[k] = there ? [Math.round((x[k] - x0) * acrossX * 10) / 10, Math.round((y1 - value) * acrossY * 10) / 10] : null;
  }
  return found;
}

function path(places, stairs) {
  let found = "";
  let before = null;
  for (const place of places) {
    if (place && before && stairs) found += `L${place[0]},${before[1]}`;
    if (place) found += `${before ? "L" : "M"}${place[0]},${place[1]}`;
    before = place;
  }
  return found;
}

/**
 * Move the last shape of a chart, a vertical line.
 * @returns {boolean} false where there is none
 */
export function moveLast(plot, x) {
  const lines = plot.querySelectorAll(".shapelayer .shape-group path");
  const found = lines[lines.length - 1];
  found?.setAttribute("d", found.getAttribute("d").replace(/([ML])[^,]+/g, `$1${x}`));
  return Boolean(found);
}
