/**
 * Move lines without Plotly's full redraw. Where only values changed, and no axis, line or marker did, the paths that
 * Plotly drew get new coordinates: a twentieth of the work. Hover reads Plotly's own copy, so a chart under the
 * pointer is always redrawn in full.
 */

/**
 * @param {HTMLElement} plot a Plotly chart of lines
 * @param {{x: ArrayLike<number>, y: ArrayLike<number|null>}[]} lines in the order of the traces
 * @param {{width: number, height: number}} area where the lines are, px
 * @returns {boolean} false where the chart does not look as expected: then draw it in full
 */
export function move(plot, lines, { width, height }, [x0, x1], [y0, y1], log) {
  const paths = plot.querySelectorAll(".scatterlayer .trace path.js-line");
  if (paths.length !== lines.length || lines.some(({ x }) => typeof x[0] === "string")) return false;
  const acrossX = width / (x1 - x0);
  const acrossY = height / (y1 - y0);
  lines.forEach(({ x, y, line }, index) => {
    let path = "";
    let pen = "M";
    let before = 0;
    for (let k = 0; k < y.length; k++) {
      const value = log ? Math.log10(y[k]) : y[k];
      if (y[k] === null || !Number.isFinite(value)) {
        pen = "M";
        continue;
      }
      const px = Math.round((x[k] - x0) * acrossX * 10) / 10;
      const py = Math.round((y1 - value) * acrossY * 10) / 10;
      if (pen === "L" && line?.shape === "hv") path += `L${px},${before}`;
      path += `${pen}${px},${py}`;
      before = py;
      pen = "L";
    }
    paths[index].setAttribute("d", path || "M0,0");
  });
  return true;
}
