/** Draws the items of a scene as SVG, once; then only numbers, thicknesses and levels change. */

import { setAttribute } from "./dom.js";
import { number } from "./text.js";

const SPACE = "http://www.w3.org/2000/svg";
const ROUND = 10; // radius of a bend
const THIN = 2, THICK = 7.5; // of a wire, for a value of 0 and for the largest of the sequence
const WIRES = { c_before: "c", fc: "c", ig: "c", c: "c", h_before: "h", h: "h", m: "h", zh: "h", new: "h" }; // drawn to the scale of a state
const TWO_SIDED = new Set(["g", "n", "h"]); // gates between −1 and 1

/** @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node|string)} children */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

export class Drawing {
  /**
   * @param {any[]} items of a scene @param {any} layout @param {Record<string, string>} colours by gate
   * @param {{c: number, h: number, parts: number}} scales the largest values of the sequence
   */
  constructor(items, layout, colours, scales) {
    this.colours = colours;
    this.scales = scales;
    this.updates = [];
    this.node = svg("svg", { class: "cell-drawing", viewBox: `0 ${layout.from ?? 0} ${layout.width} ${layout.height - (layout.from ?? 0)}`, role: "img", "data-narrow": layout.cards ? null : "" });
    this.node.append(this.#markers());
    for (const item of items) {
      const group = svg("g", { class: "cell-item", "data-part": item.part });
      const kind = ["body", "card", "gate", "node", "squash", "dot", "value", "input", "wire"].find((name) => item[name] !== undefined && !(name === "input" && item.points));
      this[`_${kind}`](item, group);
      this.node.append(group);
    }
  }

  /** @param {Record<string, number>} values at one step @param {string} mark what is read @param {string} label */
  update(values, mark, label) {
    for (const one of this.updates) one(values, mark);
    setAttribute(this.node, "aria-label", label);
  }

  #markers() {
    const defs = svg("defs");
    for (const [name, colour] of [["plain", "var(--quiet)"], ...Object.entries(this.colours)]) {
      const marker = svg("marker", { id: `cell-arrow-${name}`, viewBox: "0 0 10 10", refX: 8.5, refY: 5, markerWidth: 14, markerHeight: 14, markerUnits: "userSpaceOnUse", orient: "auto" });
      marker.append(svg("path", { d: "M0 0L10 5L0 10z", style: `fill:${colour}` }));
      defs.append(marker);
    }
    return defs;
  }

  _body({ x, y, width, height }, group) {
    group.append(svg("rect", { class: "cell-body", x, y, width, height, rx: 22 }));
  }

  _wire({ wire, points, colour, arrow, bus }, group) {
    const known = colour in this.colours;
    const path = svg("path", {
      class: bus ? "cell-wire cell-bus" : "cell-wire",
      d: rounded(points),
      style: known ? `stroke:${this.colours[colour]}` : null,
      "marker-end": arrow ? `url(#cell-arrow-${known ? colour : "plain"})` : null,
    });
    group.append(path);
    if (!wire) return;
    this.updates.push((values) => {
      const size = Math.min(1, Math.abs(values[wire] ?? 0) / (this.scales[WIRES[wire]] ?? 1)) || 0;
      path.style.strokeWidth = (THIN + (THICK - THIN) * size).toFixed(1);
    });
  }

  _node({ node, x, y }, group) {
    const arm = node === "+" ? 6 : 4.4;
    const cross = node === "+" ? `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}` : `M${x - arm} ${y - arm}L${x + arm} ${y + arm}M${x + arm} ${y - arm}L${x - arm} ${y + arm}`;
    group.append(svg("circle", { class: "cell-node", cx: x, cy: y, r: 14 }), svg("path", { class: "cell-cross", d: cross }));
  }

  _dot({ x, y }, group) {
    group.append(svg("circle", { class: "cell-dot", cx: x, cy: y, r: 4.5 }));
  }

  _squash({ squash, x, y }, group) {
    group.append(svg("rect", { class: "cell-node", x: x - 27, y: y - 14, width: 54, height: 28, rx: 14 }));
    const text = Array.isArray(squash) ? symbol(squash, x, y + 5, "middle") : svg("text", { class: "cell-squash", x, y: y + 5, "text-anchor": "middle" }, squash);
    group.append(text);
  }

  /** A gate: its letter, how it is squashed, its value, and the value as a level. */
  _gate({ gate, squash, x, y, width, height }, group) {
    const colour = this.colours[gate];
    const clip = `cell-clip-${gate}`;
    const level = svg("rect", { class: "cell-level", y, height, "clip-path": `url(#${clip})`, style: `fill:${colour}` });
    const wide = width > 100;
    const [at, line] = wide ? [x + width - 9, y + height / 2 + 7] : [x + width / 2, y + height - 11];
    const value = svg("text", { class: "cell-value cell-strong", x: at, y: line, "text-anchor": wide ? "end" : "middle", "data-value": gate });
    group.append(
      svg("clipPath", { id: clip }, svg("rect", { x, y, width, height, rx: 9 })),
      svg("rect", { class: "cell-gate", x, y, width, height, rx: 9, style: `stroke:${colour}` }),
      level,
      svg("text", { class: "cell-letter", x: wide ? x + 10 : x + width / 2, y: wide ? y + height / 2 + 7 : y + 22, "text-anchor": wide ? "start" : "middle" }, gate),
      wide ? svg("text", { class: "cell-squash", x: x + 30, y: y + height / 2 + 6 }, squash) : "",
      value,
    );
    if (wide && squash.length > 1) value.previousSibling.setAttribute("class", "cell-squash cell-small");
    this.updates.push((values) => {
      const now = values[gate];
      const share = Math.max(-1, Math.min(1, now)) || 0;
      const [from, long] = TWO_SIDED.has(gate) ? [x + (width / 2) * (1 + Math.min(share, 0)), (width / 2) * Math.abs(share)] : [x, width * share];
      setAttribute(level, "x", from.toFixed(2));
      setAttribute(level, "width", Math.max(long, 0).toFixed(2));
      say(value, now);
    });
  }

  /** What goes into a gate: every part with its bar, and their sum below a line. */
  _card({ card, x, y, width, height, row, rows }, group) {
    group.append(svg("rect", { class: "cell-card", x, y, width, height, rx: 8 }));
    const middle = x + width / 2;
    rows.forEach(({ label, key, total }, k) => {
      const line = y + 7 + row * k;
      const bar = svg("rect", { class: "cell-bar", y: line + 3, height: row - 6, style: `fill:${this.colours[card]}` });
      const value = svg("text", { class: total ? "cell-value cell-strong" : "cell-value", x: x + width - 9, y: line + row / 2 + 5, "text-anchor": "end", "data-value": key });
      group.append(bar, symbol(label, x + 9, line + row / 2 + 5), value);
      if (total) group.append(svg("path", { class: "cell-rule", d: `M${x + 8} ${line}H${x + width - 8}` }));
      this.updates.push((values) => {
        const now = values[key];
        const long = Math.min(1, Math.abs(now) / this.scales.parts) * (width / 2 - 4) || 0;
        setAttribute(bar, "x", (now < 0 ? middle - long : middle).toFixed(2));
        setAttribute(bar, "width", long.toFixed(2));
        say(value, now);
      });
    });
  }

  /** A value on a wire; `stacked` puts its symbol above it. */
  _value({ value, symbol: named, x, y, anchor = "start", stacked }, group) {
    const text = svg("text", { class: "cell-value cell-halo", x, y: stacked ? y + 22 + 30 : y, "text-anchor": anchor, "data-value": value });
    if (named && stacked) group.append(symbol(named, x, y + 18, anchor));
    if (named && !stacked) group.append(symbol(named, x, y - 18, anchor));
    group.append(text);
    this.updates.push((values) => say(text, values[value]));
  }

  /** What is read at this step. */
  _input({ symbol: named, x, y }, group) {
    const mark = svg("text", { class: "cell-mark cell-halo", x: x + 26, y });
    group.append(symbol(named, x, y), mark);
    this.updates.push((_values, read) => {
      if (mark.textContent !== read) mark.textContent = read;
    });
  }
}

/** A number with three digits, and the whole of it for whoever points at it. */
function say(node, value) {
  if (node.dataset.full === String(value)) return;
  node.dataset.full = String(value);
  node.replaceChildren(number(value), svg("title", {}, String(value)));
}

/** A letter with its index: W_if x. */
export function symbol([letter, index, after = ""], x, y, anchor = "start") {
  const text = svg("text", { class: "cell-symbol cell-halo", x, y, "text-anchor": anchor }, svg("tspan", {}, letter));
  if (index) text.append(svg("tspan", { class: "cell-index", dy: 4 }, index));
  if (after) text.append(svg("tspan", { dy: index ? -4 : 0 }, after));
  return text;
}

/** A line through the points with rounded bends. */
function rounded(points) {
  const parts = [`M${points[0].join(" ")}`];
  for (let k = 1; k < points.length - 1; k++) {
    const [before, here, after] = [points[k - 1], points[k], points[k + 1]];
    const towards = ([x, y]) => {
      const far = Math.hypot(x - here[0], y - here[1]);
      const step = Math.min(ROUND, far / 2) / far;
      return `${here[0] + (x - here[0]) * step} ${here[1] + (y - here[1]) * step}`;
    };
    parts.push(`L${towards(before)}Q${here.join(" ")} ${towards(after)}`);
  }
  parts.push(`L${points[points.length - 1].join(" ")}`);
  return parts.join("");
}
