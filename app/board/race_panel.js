/** One picture of a race: all runs as thin lines, medians and bands of their values; a run can be lit. */

import { el, setAttribute } from "./dom.js";
import { layoutOf } from "./layout.js";
import { Panel, toggle } from "./panel.js";
import { Range, stepLimit } from "./ranges.js";

const CONFIG = { displayModeBar: false, doubleClick: false, responsive: false, scrollZoom: false, showTips: false };
const LETTER = 6.2; // px, the usual width of one at this size
const LINE = 15; // px between two names at the ends of lines
const FAR = 4; // times the chance level: a loss beyond that leaves the picture, or one explosion would flatten all others
const ROOM = 430; // px of width from which on the names are written beside the lines

export class RacePanel extends Panel {
  /**
   * @param {any} spec a panel with its figure
   * @param {any} context `colours()`, `hidden(value)`, `lit()`, `run(row)`, `words(value)`, `pick`, `point`, `wake`
   */
  constructor(spec, context) {
    super(spec);
    this.spec = spec;
    this.context = context;
    this.plot = el("div.lab-plot");
    this.picture.prepend(this.plot);
    this.switches.remove();
    this.zoom = null;
    this.log = false;
    this.revision = 0;
    this.ranges = { linear: new Range(), log: new Range() };
    if (spec.options.includes("log")) {
      const chip = toggle("log scale", { pressed: false, title: "Draw powers of ten at equal distances", onclick: (log) => this.#scale(log) });
      chip.classList.add("lab-option");
      this.options.append(chip);
    }
    this.unzoom = el("button.lab-chip.lab-option", { type: "button", hidden: true, title: "Show everything again" }, "reset zoom");
    this.unzoom.addEventListener("click", () => this.#reset());
    this.options.append(this.unzoom);
  }

  /** Other runs or values, drawn in the same place. */
  change(spec) {
    this.spec = spec;
  }

  #scale(log) {
    this.log = log;
    this.#reset();
  }

  #reset() {
    this.zoom = null;
    this.context.wake();
  }

  draw(about, arrays) {
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (!width || !height) return;
    const { log } = this;
    const x = arrays.get("x").data;
    const limit = stepLimit(Math.max(0, ...about.runs.map((run) => run.step)), about.steps);
    const xRange = this.zoom?.x ?? [0, limit];
    const range = this.ranges[log ? "log" : "linear"];
    const lit = this.context.lit();
    this.most = log ? Infinity : FAR * (about.chance[meant(this.id, about)] ?? Infinity);
    const data = this.spec.figure.data.filter((trace) => !this.context.hidden(trace.meta?.value)).map((trace) => this.#fill(trace, x, arrays, range, lit, xRange)).filter((trace) => trace.x.length);
    const axis = this.spec.figure.layout.yaxis ?? {};
    const fixed = log ? null : axis.range;
    const yRange = this.zoom?.y ?? fixed ?? (log ? range.log() : range.linear(axis.rangemode === "tozero"));
    const look = { ...this.context.colours(), size: 12 };
    const layout = layoutOf(this.spec.figure, look, { width, height, xRange, yRange, log, zoom: this.zoom, timed: false, marked: null });
    if (width >= ROOM) this.#name(layout, about, data, x, xRange, yRange, log);
    this.unzoom.hidden = !this.zoom;
    window.Plotly.react(this.plot, data, { ...layout, hovermode: "closest", datarevision: ++this.revision }, CONFIG);
    if (!this.listening) this.#listen();
  }

  #fill(trace, x, arrays, range, lit, xRange) {
    const { meta } = trace;
    const own = this.context.colours().swap[trace.line.color] ?? trace.line.color;
    const out = { type: "scatter", mode: "lines", name: trace.name, meta, opacity: trace.opacity ?? 1, line: { ...trace.line, color: own }, hoverinfo: "skip", x: [], y: [] };
    if ("level" in meta) {
      range.take([meta.level], 0, 1, this.log);
      return { ...out, x: [xRange[0] - 1e6, xRange[1] + 1e6], y: [meta.level, meta.level] };
    }
    const points = x.length;
    if ("run" in meta) {
      const run = this.context.run(meta.run);
      const y = arrays.get(meta.curve).data.subarray(meta.run * points, (meta.run + 1) * points);
      range.take(y.map((value) => Math.min(value, this.most)), 0, points, this.log);
      const is = lit !== null && run?.run === lit;
      Object.assign(out, kept(x, y));
      out.opacity = lit === null ? trace.opacity : is ? 1 : 0.15;
      out.line.width = is ? 3 : trace.line.width;
      delete out.hoverinfo;
      return { ...out, hovertemplate: `%{y:.3~g} at step %{x:,.0f}<br>${escape(trace.name)}<extra></extra>` };
    }
    const band = arrays.get(`${meta.curve}/band`).data;
    const part = (k) => band.subarray((meta.value * 3 + k) * points, (meta.value * 3 + k + 1) * points);
    if (meta.part === "median") {
      if (lit !== null) out.opacity = 0.35;
      return { ...out, ...kept(x, part(0)) };
    }
    const [low, high] = [kept(x, part(1)), kept(x, part(2))];
    return { ...out, fill: "toself", fillcolor: own + "24", opacity: 1, line: { width: 0, color: own }, x: [...low.x, ...high.x.reverse()], y: [...low.y, ...high.y.reverse()] };
  }

  /** Each value's name at the end of its median, the names apart from one another. */
  #name(layout, about, data, x, [left, right], [low, high], log) {
    const names = [];
    for (const { meta, x: xs, y: ys, line, name } of data) {
      if ("level" in meta) {
        const place = ((log ? Math.log10(meta.level) : meta.level) - low) / (high - low);
        if (place >= 0 && place <= 1) names.push({ words: name, colour: line.color, place });
        continue;
      }
      if (meta.part !== "median") continue;
      let end = xs.length - 1;
      while (end > 0 && xs[end] > right) end--;
      if (xs[end] < left) continue;
      const value = log ? Math.log10(ys[end]) : ys[end];
      names.push({ words: short(about.values[meta.value]), colour: line.color, place: (Math.min(1, Math.max(0, (value - low) / (high - low)))) });
    }
    const longest = Math.max(0, ...names.map(({ words }) => words.length));
    layout.margin.r = 30 + Math.round(longest * LETTER);
    const tall = layout.height - layout.margin.t - layout.margin.b;
    names.sort((a, b) => a.place - b.place);
    const apart = Math.min(LINE, tall / Math.max(names.length, 1)) / tall;
    let next = 0;
    for (const name of names) next = (name.at = Math.max(name.place, next)) + apart;
    for (let k = names.length - 1, most = 1; k >= 0; k--) most = (names[k].at = Math.min(names[k].at, most)) - apart;
    layout.annotations.push(
      ...names.map(({ words, colour, at }) => ({ xref: "paper", yref: "paper", x: 1, y: at, xanchor: "left", yanchor: "middle", xshift: 6, showarrow: false, text: `<span style="color:${colour}">━</span> ${escape(words)}`, font: { size: 12, color: this.context.colours().tokens.ink } })),
    );
  }

  #listen() {
    this.listening = true;
    this.plot.on("plotly_relayout", (change) => {
      const pair = (axis) => change[`${axis}.range[0]`] !== undefined && [change[`${axis}.range[0]`], change[`${axis}.range[1]`]];
      const [x, y] = [pair("xaxis"), pair("yaxis")];
      if (!x && !y) return;
      this.zoom = { x: x || this.zoom?.x, y: y || this.zoom?.y };
      this.context.wake();
    });
    const runOf = ({ points }) => this.context.run(points[0]?.data?.meta?.run)?.run ?? null;
    this.plot.on("plotly_doubleclick", () => this.#reset());
    this.plot.on("plotly_hover", (event) => this.context.point(runOf(event)));
    this.plot.on("plotly_unhover", () => this.context.point(null));
    this.plot.on("plotly_click", (event) => runOf(event) && this.context.pick(runOf(event)));
    setAttribute(this.plot, "aria-hidden", "true"); // the same is in the table, in words
  }

  close() {
    if (this.listening) window.Plotly.purge(this.plot);
  }
}

/** The name under which the chance level of a panel is known. */
const meant = (panel, about) => (panel === "loss" ? "loss" : about.metric);

/** The points that there are. */
function kept(x, y) {
  const there = [];
  for (let k = 0; k < y.length; k++) if (Number.isFinite(y[k])) there.push(k);
  return { x: there.map((k) => x[k]), y: there.map((k) => y[k]) };
}

/** Plotly takes some signs for markup, and values may come from a person's own settings. */
const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const short = (text) => (text.length > 18 ? `${text.slice(0, 17)}…` : text);
