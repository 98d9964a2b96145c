/** Charts that change with the settings of a page: each keeps its place, its zoom and its switched-off lines. */

import { el, rootOf, setAttribute } from "./dom.js";
import { load, lookOf } from "./look.js";
import { Panel } from "./panel.js";

const CONFIG = { displayModeBar: false, responsive: false, scrollZoom: false, showTips: false, doubleClick: "reset" };
const SIZE = 12; // px

const grids = new WeakMap();

/** Called by Streamlit at the first showing, at every change of data and of the theme; always gives the same cleanup. */
export function mount(component) {
  const { parentElement } = component;
  let grid = grids.get(parentElement);
  if (!grid) grids.set(parentElement, (grid = new Grid(parentElement)));
  grid.update(component.data);
  return grid.leave;
}

class Grid {
  constructor(parent) {
    this.parent = parent;
    this.charts = new Map();
    this.root = rootOf("div.lab-board.lab-charts");
    this.parent.append(this.root);
    this.resized = new ResizeObserver(() => this.wake());
    this.leave = () => setTimeout(() => this.parent.isConnected || this.close());
  }

  update(data) {
    this.data = data;
    load(data, () => this.wake());
    if (!this.root.isConnected) this.parent.append(this.root);
    this.look = lookOf(this.parent, data.look);
    this.root.dataset.mode = this.look.mode;
    for (const [name, colour] of Object.entries(this.look.tokens)) this.root.style.setProperty(`--${name}`, colour);
    this.root.style.setProperty("--columns", data.columns);
    this.#furnish(data.charts);
    this.wake();
  }

  /** Put up what is new and take down what is gone; the others stay as they are. */
  #furnish(specs) {
    const wanted = new Set(specs.map((spec) => spec.id));
    for (const [id, chart] of this.charts) {
      if (wanted.has(id)) continue;
      chart.close();
      this.resized.unobserve(chart.picture);
      this.charts.delete(id);
    }
    for (const spec of specs) {
      if (!this.charts.has(spec.id)) {
        const chart = new Chart(spec);
        this.charts.set(spec.id, chart);
        this.resized.observe(chart.picture);
      }
      this.charts.get(spec.id).receive(spec);
    }
    const nodes = specs.map((spec) => this.charts.get(spec.id).node);
    if (nodes.some((node, place) => this.root.children[place] !== node) || this.root.children.length !== nodes.length)
      this.root.replaceChildren(...nodes);
  }

  /** First what can be seen, then the rest, a chart in each frame: a change is seen before all of it is drawn. */
  wake() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (!window.Plotly) return;
      const stale = [...this.charts.values()].filter((chart) => chart.key(this.look) !== chart.drawn);
      const seen = stale.filter((chart) => chart.seen());
      const now = seen.length ? seen : stale.slice(0, 1);
      for (const chart of now) chart.draw(this.look);
      if (stale.length > now.length) this.wake();
    });
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    grids.delete(this.parent);
    cancelAnimationFrame(this.waiting);
    this.resized.disconnect();
    for (const chart of this.charts.values()) chart.close();
    this.root.remove();
  }
}

class Chart extends Panel {
  constructor(spec) {
    super({ ...spec, kind: "chart" });
    this.plot = el("div.lab-plot");
    this.picture.append(this.plot);
    this.switches.remove();
    this.drawn = "";
  }

  receive(spec) {
    this.spec = spec;
    this.heading.textContent = spec.title;
    setAttribute(this.heading, "title", spec.help);
    setAttribute(this.node, "aria-label", spec.title);
    this.node.style.setProperty("--height", spec.height);
    this.node.classList.toggle("lab-wide", Boolean(spec.wide));
    this.say(spec);
    this.text = JSON.stringify(spec.figure);
  }

  /** What its picture depends on; where it has no room, that it has been drawn already. */
  key(look) {
    const { clientWidth: width, clientHeight: height } = this.plot;
    return width && height ? [width, height, look.mode, look.font].join() + this.text : this.drawn;
  }

  seen() {
    const { top, bottom } = this.node.getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  }

  draw(look) {
    const { clientWidth: width, clientHeight: height } = this.plot;
    this.drawn = this.key(look);
    const { data, layout } = recoloured(JSON.parse(this.text), look.swap);
    window.Plotly.react(this.plot, data, { ...dressed(layout, look), width, height, uirevision: "kept" }, CONFIG);
    this.node.dataset.drawn = String(Number(this.node.dataset.drawn ?? 0) + 1);
  }

  close() {
    if (this.drawn) window.Plotly.purge(this.plot);
  }
}

/** The layout in the type of this page; numbers written as everywhere. */
function dressed(layout, { tokens, font }) {
  return {
    ...layout,
    font: { ...layout.font, family: font, size: layout.font?.size ?? SIZE, color: tokens.quiet },
    separators: ".\u2009",
    hoverlabel: { bgcolor: tokens.paper, bordercolor: tokens.faint, font: { family: font, size: SIZE, color: tokens.ink } },
  };
}

/** A figure with the light tokens in it exchanged for those of this page. */
function recoloured(value, swap) {
  if (Array.isArray(value)) return value.map((one) => recoloured(one, swap));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, recoloured(one, swap)]));
  return typeof value === "string" ? (swap[value] ?? value) : value;
}
