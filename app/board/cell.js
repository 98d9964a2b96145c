/** Inside a cell: one steps through the time of one unit; all its numbers are here, so no step asks the server. */

import { Drawing } from "./cell_draw.js";
import { Equations, sentence, valuesAt } from "./cell_math.js";
import { NARROW, WIDE, scene } from "./cell_scene.js";
import { Strip } from "./cell_strip.js";
import { el, icon, rootOf, setAttribute, setText } from "./dom.js";
import { lookOf } from "./look.js";

const PACE = 900; // ms for each step while it plays
const TELL = 600; // ms of rest after which the server is told the step, for the address
const TURN = 200; // ms of rest after which another unit is asked for
const NARROW_BELOW = 640; // px
const PARTS = { all: "Whole step", in: "What goes in", gates: "Gates", keep: "Keep and write", out: "Show" };
const OWN = "input:not([type=range]), textarea, select, [contenteditable=true], [role=slider], [role=dialog], [role=combobox], [role=tab], [role=radio]";

const cells = new WeakMap();

/** Called by Streamlit at the first showing, at every change of data and of the theme; always gives the same cleanup. */
export function mount(component) {
  let cell = cells.get(component.parentElement);
  if (!cell) cells.set(component.parentElement, (cell = new Cell(component)));
  cell.update(component);
  return cell.leave;
}

class Cell {
  constructor({ parentElement }) {
    this.parent = parentElement;
    this.t = 0;
    this.part = "all";
    this.leave = () => setTimeout(() => this.parent.isConnected || this.close());
    this.root = rootOf("div.cell-root");
    this.#build();
    this.parent.append(this.root);
    this.onKey = (event) => this.#press(event);
    document.addEventListener("keydown", this.onKey);
    this.resized = new ResizeObserver(() => this.#furnish());
    this.resized.observe(this.root);
  }

  close() {
    document.documentElement.classList.remove("lab-present");
    document.removeEventListener("keydown", this.onKey);
    this.resized.disconnect();
    for (const timer of [this.telling, this.turning, this.playing]) clearTimeout(timer);
  }

  update(component) {
    this.component = component;
    const { data } = component;
    const fresh = JSON.stringify([data.walk, data.about]) !== this.sent;
    if (data.at !== this.told && data.at !== this.at) this.t = data.at; // the address says so
    this.at = data.at;
    this.data = data;
    if (fresh) {
      this.sent = JSON.stringify([data.walk, data.about]);
      this.walk = { ...data.walk, T: data.walk.marks.length };
      this.t = Math.max(0, Math.min(this.t, this.walk.T - 1));
      this.drawn = null;
    }
    style(data.css);
    this.look = lookOf(this.parent, data.look);
    for (const [name, colour] of Object.entries(this.look.tokens)) this.root.style.setProperty(`--${name}`, colour);
    this.root.dataset.mode = this.look.mode;
    this.#furnish();
  }

  // -- the page ----------------------------------------------------------------------------------------------------------

  #build() {
    const button = (name, label, title, act) => el("button.cell-button", { type: "button", "aria-label": label, title, onclick: act }, icon(name));
    this.title = el("h3.cell-title");
    this.about = el("span.cell-about");
    this.unit = el("input.cell-unit", { type: "number", min: 0, "aria-label": "Unit", title: "The unit that is followed (↑ and ↓)" });
    this.unit.addEventListener("change", () => this.#turn(Number(this.unit.value), 0));
    this.units = el("span.cell-quiet");
    this.back = button("step", "Step back", "One step to the left (←)", () => this.#move(-1));
    this.back.classList.add("cell-mirrored");
    this.play = button("play", "Play", "Play or pause (space)", () => this.#toggle());
    this.next = button("step", "Step on", "One step to the right (→)", () => this.#move(1));
    this.time = el("output.cell-time");
    this.presenting = button("present", "Present", "Larger, with everything else folded away (P)", () => this.#present());
    setAttribute(this.presenting, "aria-pressed", "false");
    this.slider = el("input.cell-slider", { type: "range", min: 0, "aria-label": "Time step" });
    this.slider.addEventListener("input", () => this.#go(Number(this.slider.value)));
    this.parts = el("div.cell-parts", { role: "group", "aria-label": "Which part of the step is shown" });
    for (const [part, words] of Object.entries(PARTS)) {
      this.parts.append(el("button.cell-chip", { type: "button", "aria-pressed": String(part === "all"), "data-part": part, onclick: () => this.#only(part) }, words));
    }
    this.picture = el("div.cell-picture");
    this.note = el("p.cell-note");
    this.strip = el("div.cell-steps");
    this.maths = el("div.cell-maths");
    this.spoken = el("div.cell-spoken", { "aria-live": "polite", role: "status" });
    this.root.append(
      el(
        "div.cell-head",
        {},
        this.title,
        el("label.cell-field", {}, "unit", this.unit, this.units),
        el("div.cell-transport", {}, this.back, this.play, this.next, this.time),
        this.about,
        this.presenting,
      ),
      this.strip,
      this.slider,
      this.parts,
      this.picture,
      this.note,
      this.maths,
      this.spoken,
    );
  }

  /** Build what depends on the cell, the numbers and the width; then show the step. */
  #furnish() {
    if (!this.walk || !this.root.clientWidth) return;
    const narrow = this.root.clientWidth < NARROW_BELOW;
    const key = `${this.sent}${narrow}${this.look.mode}`;
    if (this.drawn !== key) {
      this.drawn = key;
      const { walk, data } = this;
      const layout = { ...(narrow ? NARROW : WIDE) };
      const items = scene(walk.kind, layout, walk);
      this.drawing = new Drawing(items, layout, data.look.gates, scales(walk));
      this.equations = new Equations(walk, data.look.gates);
      this.overview = new Strip(walk, walk.quantities, (t) => this.#go(t));
      this.picture.replaceChildren(this.drawing.node);
      this.maths.replaceChildren(this.equations.node);
      this.strip.replaceChildren(this.overview.canvas);
      setText(this.title, data.title);
      setText(this.about, data.about);
      setText(this.units, `of 0 … ${walk.units - 1}`);
      this.unit.max = walk.units - 1;
      if (document.activeElement !== this.unit) this.unit.value = walk.unit;
      this.slider.max = walk.T - 1;
      const parts = new Set(["all", ...items.map((item) => item.part)]);
      const stages = Object.keys(PARTS).filter((part) => parts.has(part));
      for (const chip of this.parts.children) {
        const place = stages.indexOf(chip.dataset.part);
        chip.hidden = place < 0;
        setText(chip, `${place > 0 ? `${place}  ` : ""}${PARTS[chip.dataset.part]}`);
      }
      this.#only(parts.has(this.part) ? this.part : "all");
    }
    this.#show();
  }

  #show() {
    const { walk, t } = this;
    const at = valuesAt(walk, t);
    const words = sentence(walk, t, at);
    this.drawing.update(at, walk.reads[t], `Unit ${walk.unit}. ${words}`);
    this.equations.update(at);
    this.overview.draw(t, this.look, this.data.look.gates);
    this.slider.value = t;
    setAttribute(this.slider, "aria-valuetext", `t = ${t}, ${walk.reads[t]}`);
    setText(this.time, `t = ${t}`);
    setText(this.note, words.replace(/\b([a-z]) = /g, "$1\u00a0=\u00a0"));
    if (!this.playing) setText(this.spoken, words);
    this.root.dataset.t = t;
    this.root.dataset.unit = walk.unit;
  }

  // -- what a person does ------------------------------------------------------------------------------------------------

  #press(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !this.root.isConnected || !this.root.offsetParent) return;
    if (target.closest?.(OWN)) return;
    const keys = {
      ArrowRight: () => this.#move(1),
      ArrowLeft: () => this.#move(-1),
      ArrowUp: () => this.#turn(this.wanted + 1),
      ArrowDown: () => this.#turn(this.wanted - 1),
      Home: () => this.#go(0),
      End: () => this.#go(this.walk.T - 1),
      p: () => this.#present(),
      P: () => this.#present(),
      Escape: () => this.presented && this.#present(),
      " ": () => !target.closest?.("button, a, summary") && this.#toggle(),
    };
    if (this.walk && keys[key] && keys[key]() !== false) event.preventDefault();
  }

  get wanted() {
    return Number(this.unit.value);
  }

  #move(steps) {
    this.#pause();
    this.#go(this.t + steps);
  }

  #go(t) {
    const next = Math.max(0, Math.min(this.walk.T - 1, t));
    if (next === this.t) return;
    this.t = next;
    this.#show();
    clearTimeout(this.telling);
    if (!this.playing) this.telling = setTimeout(() => this.#tell(), TELL);
  }

  /** Another unit, once no other one was wanted for a moment. */
  #turn(unit, rest = TURN) {
    const wanted = Math.max(0, Math.min(this.walk.units - 1, Math.round(unit) || 0));
    this.unit.value = wanted;
    clearTimeout(this.turning);
    if (wanted !== this.walk.unit) this.turning = setTimeout(() => this.#tell(), rest);
  }

  #tell() {
    clearTimeout(this.telling);
    this.told = this.t;
    this.component.setTriggerValue("place", { t: this.t, unit: this.wanted });
  }

  #toggle() {
    if (this.playing) return this.#pause();
    const [first, last, way] = this.walk.backward ? [this.walk.T - 1, 0, -1] : [0, this.walk.T - 1, 1];
    if (this.t === last) this.#go(first);
    const on = () => {
      this.#go(this.t + way);
      if (this.t === last) return this.#pause();
      this.playing = setTimeout(on, PACE);
    };
    this.playing = setTimeout(on, PACE / 2);
    this.#playing(true);
  }

  #pause() {
    if (!this.playing) return;
    clearTimeout(this.playing);
    this.playing = 0;
    this.#playing(false);
    this.#show();
    this.telling = setTimeout(() => this.#tell(), TELL);
  }

  get presented() {
    return document.documentElement.classList.contains("lab-present");
  }

  #present() {
    setAttribute(this.presenting, "aria-pressed", String(document.documentElement.classList.toggle("lab-present")));
  }

  #playing(on) {
    this.play.replaceChildren(icon(on ? "pause" : "play"));
    setAttribute(this.play, "aria-label", on ? "Pause" : "Play");
  }

  /** Let one stage of the step stand out. */
  #only(part) {
    this.part = part;
    for (const chip of this.parts.children) setAttribute(chip, "aria-pressed", String(chip.dataset.part === part));
    for (const node of this.root.querySelectorAll(".cell-item[data-part], .cell-equation[data-part]")) node.classList.toggle("cell-dim", part !== "all" && node.dataset.part !== part);
  }
}

/** The largest values of the whole sequence: thicknesses and bars shall not change their scale from step to step. */
function scales({ values }) {
  const largest = (names) => Math.max(1e-12, ...names.flatMap((name) => values[name] ?? []).map((value) => Math.abs(value) || 0));
  const parts = Object.keys(values).filter((name) => /^(ih|hh|b|pre|b_ih|b_hh)\./.test(name));
  return { c: largest(["c"]), h: largest(["h", "m"]), parts: largest(parts) };
}

function style(css) {
  const id = `lab-css-${css}`;
  if (!document.getElementById(id)) document.head.append(el("link", { id, rel: "stylesheet", href: css }));
}
