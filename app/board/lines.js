/** Line charts: a Plotly figure from Python, filled from the buffers, redrawn in place. */

import { after, extremes, smooth } from "./frames.js";
import { layoutOf, lineAt } from "./layout.js";
import { Panel, toggle } from "./panel.js";
import { move, moveLast } from "./quick.js";
import { Range, stepLimit } from "./ranges.js";
import { el, setAttribute } from "./dom.js";
import { number } from "./text.js";

const CONFIG = { displayModeBar: false, doubleClick: false, responsive: false, scrollZoom: false, showTips: false };
const WITH_BEST = ["loss", "metric"]; // panels that mark the step of the best validation
const FULL = 15_000; // ms after which a chart is redrawn in full even if only values changed

export class LinePanel extends Panel {
  /**
   * @param {any} spec a panel with its figure
   * @param {any} context `choices` (what the viewer switched, kept over runs), `colours()`, `crosshair`, `wake()`
   */
  constructor(spec, context) {
    super(spec);
    this.spec = spec;
    this.context = context;
    this.timed = spec.figure.layout.meta?.axis === "time";
    this.own = spec.figure.layout.meta?.axis === "own"; // neither time steps nor steps of training
    this.along = spec.column === "steps" && !this.own; // its x axis are the steps of training
    this.plot = el("div.lab-plot");
    this.picture.prepend(this.plot);
    this.ranges = { linear: new Range(), log: new Range() };
    this.zoom = null;
    this.at = null; // the step at which it is drawn now
    this.smoothed = new Map();
    this.revision = 0;
    this.patience = FULL * (0.8 + 0.4 * Math.random()); // so that not all charts are due at once
    this.x = new Float64Array(4096);
    this.y = new Float32Array(4096);
    this.#switches();
    if (this.timed) {
      const layers = spec.figure.data.filter((trace) => trace.meta?.y);
      this.leave = context.crosshair.join(this.picture, () => context.steps(), (t) =>
        layers
          .filter((trace) => this.#shown(trace) && this.arrays?.get(trace.meta.y))
          .map((trace) => `${trace.meta.group} ${number(this.arrays.get(trace.meta.y).data[t])}`)
          .slice(0, 4)
          .join("   "),
      );
    }
  }

  get choices() {
    return (this.context.choices[this.id] ??= {});
  }

  #switches() {
    const groups = new Map();
    for (const trace of this.spec.figure.data) {
      const group = trace.meta?.group ?? trace.name;
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(trace);
    }
    this.chips = new Map();
    for (const [group, traces] of groups) {
      const first = traces.find((trace) => trace.meta?.smooth) ?? traces[0];
      const chip = toggle(group, {
        colour: this.#colour(first.line.color),
        dash: first.line.dash,
        pressed: this.choices[group] ?? !traces.every((trace) => trace.visible === "legendonly"),
        title: `Show or hide: ${traces.map((trace) => trace.name).slice(0, 6).join("; ")}`,
        onclick: (shown) => {
          this.choices[group] = shown;
          this.context.wake();
        },
      });
      this.chips.set(group, { chip, colour: first.line.color, conditional: first.meta?.when === "clip" });
      this.switches.append(chip);
    }
    if (this.spec.options.includes("log")) {
      this.logChip = toggle("log scale", {
        pressed: this.#log,
        title: "Draw powers of ten at equal distances",
        onclick: (log) => {
          this.choices["log scale"] = log;
          this.zoom = null;
          this.context.wake();
        },
      });
      this.logChip.classList.add("lab-option");
      this.options.append(this.logChip);
    }
    this.unzoom = el("button.lab-chip.lab-option", { type: "button", hidden: true, title: "Show everything again" }, "reset zoom");
    this.unzoom.addEventListener("click", () => this.#reset());
    this.options.append(this.unzoom);
  }

  #reset() {
    this.zoom = null;
    this.context.wake();
  }

  get #log() {
    return this.choices["log scale"] ?? this.spec.figure.layout.yaxis?.type === "log";
  }

  #colour(value) {
    return this.context.colours().swap[value] ?? value;
  }

  #shown(trace) {
    const group = trace.meta?.group ?? trace.name;
    const usual = trace.visible !== "legendonly" || (trace.meta?.when === "clip" && this.clipping);
    return this.choices[group] ?? usual;
  }

  /**
   * Draw what is known now.
   * @param {any} model `scalars`, `arrays` (of the shown snapshot), `state`, `at` (the step scrubbed to, or null)
   * @param {boolean} settled nothing has changed since: draw in full, so that hovering finds every point
   */
  draw(model, settled = false) {
    const { width, height } = this.room;
    if (!window.Plotly || !width) return false;
    const { state } = model;
    this.arrays = model.arrays;
    this.clipping = Boolean(state && (state.clip !== "none" || state.overrides?.some((o) => o.field === "clip")));
    const base = this.spec.figure;
    const log = this.#log;
    const limit = stepLimit(model.scalars.last, state?.steps ?? 0);
    const xRange = this.zoom?.x ?? base.layout.xaxis?.range ?? [0, limit];
    const range = this.ranges[log ? "log" : "linear"];
    const shown = base.data.filter((trace) => this.#shown(trace));
    const data = shown.map((trace) => this.#fill(trace, model, xRange, range, log)).filter((trace) => trace.x.length);
    for (const [group, { chip, colour, conditional }] of this.chips) {
      setAttribute(chip, "aria-pressed", String(shown.some((trace) => (trace.meta?.group ?? trace.name) === group)));
      chip.hidden = conditional && !this.clipping;
      chip.firstChild.style?.setProperty("--colour", this.#colour(colour));
    }
    this.unzoom.hidden = !this.zoom;
    const yRange = this.zoom?.y ?? this.#yRange(range, log);
    const look = { ...this.context.colours(), size: this.context.fontSize() };
    const best = WITH_BEST.includes(this.id) ? model.scalars.get("best/step")?.last : NaN;
    const marked = this.along ? { state, best } : null;
    const layout = layoutOf(this.spec.figure, look, { width, height, xRange, yRange, log, zoom: this.zoom, timed: this.timed, marked });
    const looks = JSON.stringify([layout, this.along && model.at === null, data.map(({ x, y, mode, ...look }) => [look, mode === "lines" ? 0 : x.length])]);
    const now = (this.drawnAt = performance.now());
    const same = !settled && looks === this.looks && !this.pointed && now - this.fullAt < this.patience;
    const { l, r, t, b } = layout.margin;
    this.across = { left: l, width: width - l - r, range: xRange };
    this.stale = same && move(this.plot, data, { width: width - l - r, height: height - t - b }, xRange, yRange, log) && this.point(model.at);
    if (this.stale) return true;
    this.looks = looks;
    this.fullAt = now;
    this.at = model.at;
    const shapes = this.along && model.at !== null ? [...layout.shapes, lineAt(model.at, look.tokens)] : layout.shapes;
    window.Plotly.react(this.plot, data, { ...layout, shapes, datarevision: ++this.revision }, CONFIG);
    if (!this.listening) this.#listen();
    return true;
  }

  /**
   * Move the line at the step that one has scrubbed to, on an axis of training steps.
   * @returns {boolean} false where it comes or goes: then draw in full
   */
  point(at) {
    if (!this.along || at === this.at) return true;
    if (at === null || this.at === null) return false;
    const { left, width, range } = this.across;
    this.at = at;
    return moveLast(this.plot, left + ((at - range[0]) / (range[1] - range[0])) * width);
  }

  #yRange(range, log) {
    const axis = this.spec.figure.layout.yaxis ?? {};
    if (!log && axis.range) return axis.range;
    return log ? range.log() : range.linear(axis.rangemode === "tozero");
  }

  #fill(trace, model, xRange, range, log) {
    const meta = trace.meta ?? {};
    const out = {
      type: "scatter",
      mode: trace.mode,
      ...(trace.marker && { marker: { ...trace.marker, color: this.#colour(trace.marker.color) } }),
      name: trace.name,
      opacity: trace.opacity ?? 1,
      line: { ...trace.line, color: this.#colour(trace.line.color), width: trace.line.width * this.context.thickness() },
      hovertemplate: trace.mode === "markers" ? `%{y:.3~g} above, %{x:.3~g} below  ${trace.name}<extra></extra>` : `%{y:.3~g}  ${trace.name}<extra></extra>`,
      x: [],
      y: [],
    };
    if ("level" in meta) {
      const value = typeof meta.level === "number" ? meta.level : model.state?.[meta.level];
      out.x = [xRange[0] - 1e6, xRange[1] + 1e6];
      out.y = [value, value];
      out.hoverinfo = "skip";
      delete out.hovertemplate;
      if (Number.isFinite(value)) range.take([value], 0, 1, log);
    } else if (meta.fixed) {
      out.x = trace.x;
      out.y = trace.y;
      if (!this.timed) range.take(numbers(trace.y));
    } else if (meta.x === "step") {
      const series = model.scalars.get(meta.y);
      if (series?.length) {
        const y = meta.smooth ? this.#smooth(meta, series) : series.y;
        range.take(y, 0, series.length, log);
        this.#thin(series.x, y, series.length, xRange, out);
      }
    } else if (meta.x) {
      out.x = shares(model.arrays?.get(meta.x));
      out.y = shares(model.arrays?.get(meta.y));
    } else if (meta.y) {
      const found = (meta.first ? model.first() : model.arrays)?.get(meta.y);
      if (found) {
        out.y = Array.from(found.data, (value) => (log && value <= 0 ? null : value));
        out.x = trace.x?.length ? trace.x : Array.from(found.data, (_, t) => t);
        range.take(found.data, 0, found.data.length, log);
      }
    }
    return out;
  }

  #thin(x, y, length, [low, high], out) {
    const from = Math.max(0, after(x, length, low) - 2);
    const to = Math.min(length, after(x, length, high) + 1);
    const buckets = Math.min(this.x.length / 2, Math.max(64, Math.ceil(this.room.width / 2)));
    const count = extremes(x, y, from, to, buckets, this.x, this.y);
    out.x = this.x.slice(0, count);
    out.y = this.y.slice(0, count);
  }

  #smooth({ y, smooth: windows }, series) {
    const kept = this.smoothed.get(y);
    const into = kept?.length >= series.length ? kept : new Float32Array(series.y.length);
    this.smoothed.set(y, into);
    return smooth(series.y, series.length, windows, into);
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
    this.plot.on("plotly_doubleclick", () => this.#reset());
    this.plot.addEventListener("pointerenter", () => {
      this.pointed = true;
      this.context.wake();
    });
    this.plot.addEventListener("pointerleave", () => (this.pointed = false));
  }

  /** Another run: its ranges begin anew, what the viewer has switched stays. */
  reset() {
    this.ranges = { linear: new Range(), log: new Range() };
    this.zoom = null;
    this.smoothed.clear();
  }

  close() {
    this.leave?.();
    if (this.listening) window.Plotly.purge(this.plot);
  }
}

/** Bytes as shares, 255 standing for all. */
const shares = (found) => Array.from(found?.data ?? [], (byte) => byte / 255);

/** Python sends long numeric columns packed; here they are wanted plain. */
function numbers(values) {
  return Array.isArray(values) ? values : [];
}
