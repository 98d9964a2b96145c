/** The layout of a line chart: the titles that Python gave it, in the colours and sizes of this page. */

import { edges } from "./crosshair.js";

const SMALLEST = 10; // px of a title's type
const WIDE = 0.5; // a letter's usual width, as a part of the size of its type
const SHORT = { learning_rate: "lr", clip: "clip", clip_threshold: "threshold" };

/**
 * @param {any} figure as Python drew it
 * @param {{tokens: Object<string, string>, swap: Object<string, string>, font: string, size: number}} look
 * @param {{width: number, height: number, xRange: number[], yRange: number[], log: boolean, zoom: any, timed: boolean,
 *          marked: {state: any, best: number}|null}} now `marked`: what to mark on an axis of training steps
 */
export function layoutOf(figure, look, { width, height, xRange, yRange, log, zoom, timed, marked }) {
  const { tokens, swap, font, size } = look;
  const base = figure.layout;
  const text = { size, color: tokens.quiet };
  const axis = {
    gridcolor: tokens.grid,
    linecolor: tokens.faint,
    tickcolor: tokens.faint,
    tickfont: text,
    zeroline: false,
    ticks: "outside",
    ticklen: 4,
    autorange: false,
  };
  const title = (source, room) => {
    const words = source?.title?.text ?? "";
    return { text: words, standoff: 4, font: { ...text, size: Math.max(SMALLEST, Math.min(size, room / (WIDE * words.length || 1))) } };
  };
  const beside = edges(size);
  const steps = { range: xRange, fixedrange: timed, hoverformat: marked ? ",.0f" : ".6~g", separatethousands: true, nticks: 7 };
  const dates = { autorange: !zoom?.x, range: zoom?.x, nticks: 6, type: "date" };
  const own = (shape) => ({ ...shape, line: { ...shape.line, color: swap[shape.line?.color] ?? shape.line?.color } });
  return {
    width,
    height,
    margin: { l: beside.left, r: timed ? beside.right : 14, t: 8, b: size * 3 + 6, pad: 0 },
    font: { family: font, ...text },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: timed ? false : (base.hovermode ?? "x unified"),
    hoverlabel: { bgcolor: tokens.paper, bordercolor: tokens.faint, font: { family: font, size, color: tokens.ink } },
    dragmode: "zoom",
    uirevision: "kept",
    xaxis: { ...axis, ...(hasDates(figure) ? dates : steps), title: title(base.xaxis, width) },
    yaxis: {
      ...axis,
      title: title(base.yaxis, height - size * 3 + 2), // as long as the axis with both its margins
      range: yRange,
      type: log ? "log" : "linear",
      exponentformat: "power",
      minexponent: 4,
      ticklabeloverflow: "allow", // a raised exponent at the upper end is a little taller than the margin
      ...(log ? { dtick: Math.max(1, Math.ceil((yRange[1] - yRange[0]) / 5)) } : { nticks: 6 }),
    },
    separators: ".\u2009",
    shapes: [...(base.shapes ?? []).map(own), ...(marked ? marks(marked, tokens) : [])],
    annotations: [...(base.annotations ?? []).map((one) => ({ ...one, bgcolor: tokens.paper, opacity: 0.9 })), ...(marked ? labels(marked, tokens, size - 1, xRange) : [])],
  };
}

/** Whether the x axis is one of dates. */
export const hasDates = (figure) => figure.data.some((trace) => typeof trace.x?.[0] === "string");

const vertical = (x, line) => ({ type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, line });

/** Vertical lines: where a setting was changed, and the best validation. */
function marks({ state, best }, tokens) {
  const changes = (state?.overrides ?? []).map((o) => vertical(o.step, { color: tokens.faint, width: 1 }));
  return Number.isFinite(best) ? [...changes, vertical(best, { color: tokens.quiet, width: 1, dash: "dot" })] : changes;
}

/** The line at the step that one has scrubbed to. */
export const lineAt = (at, tokens) => vertical(at, { color: tokens.ink, width: 1.5 });

function labels({ state, best }, tokens, size, [low, high]) {
  const label = (x, text, more) => ({
    x,
    yref: "paper",
    xanchor: x > (low + high) / 2 ? "right" : "left",
    showarrow: false,
    font: { size, color: tokens.quiet },
    bgcolor: tokens.paper,
    opacity: 0.9,
    borderpad: 1,
    text,
    ...more,
  });
  const changes = (state?.overrides ?? []).map((o, k) =>
    label(o.step, `${SHORT[o.field] ?? o.field} ${o.value}`, { y: 1, yanchor: "top", yshift: -(k % 3) * (size + 3) }),
  );
  return Number.isFinite(best) ? [...changes, label(best, "best", { y: 0.3, yanchor: "middle" })] : changes;
}
