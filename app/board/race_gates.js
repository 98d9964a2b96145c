/** The gates of two runs of a race side by side, at the same step of training. */

import { Crosshair } from "./crosshair.js";
import { el, setAttribute, setText } from "./dom.js";
import { decode } from "./frames.js";
import { MapPanel } from "./maps.js";
import { Snapshots } from "./snapshots.js";
import { Stream } from "./socket.js";
import { count } from "./text.js";

export class Gates {
  /** @param {{base: string, look: () => any, gates: any, fontSize: () => number}} page */
  constructor(page) {
    this.page = page;
    this.at = null;
    this.choices = {};
    this.crosshair = new Crosshair(page.fontSize);
    this.sides = ["Left", "Right"].map((name) => new Side(name, this));
    this.slider = el("input.lab-slider", { type: "range", min: 0, max: 1, step: 1, value: 1, "aria-label": "Step of training shown for both runs", disabled: true });
    this.slider.addEventListener("input", () => this.#go(Number(this.slider.value)));
    this.words = el("output.lab-at");
    this.live = el("button.lab-button.lab-live", { type: "button", "aria-pressed": "true", title: "Follow the newest step of both" }, el("span.lab-dot", { "aria-hidden": "true" }), "live");
    this.live.addEventListener("click", () => this.#go(null));
    this.node = el(
      "section.race-gates",
      { "aria-label": "Gates of two runs", hidden: true },
      el("div.race-sides", {}, ...this.sides.map((side) => side.node)),
      el("div.lab-timeline", { role: "group", "aria-label": "Step of both" }, this.slider, this.words, this.live),
    );
    this.seen = new IntersectionObserver(([entry]) => {
      this.near = entry.isIntersecting;
      if (this.near) this.#open();
    }, { rootMargin: "200px" });
    this.seen.observe(this.node);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.node);
  }

  /** The race as it is now; null where there is none to show. */
  show(about, values) {
    this.about = about;
    this.values = values;
    this.node.hidden = !about?.runs.some((run) => run.step >= 0);
    if (!about) {
      this.at = null;
      for (const side of this.sides) side.watch(null);
      return;
    }
    const last = Math.max(...about.rows.filter((row) => row.runs).map((row) => row.value), 0);
    const usual = [about.runs[0], about.runs.find((run) => run.value === last) ?? about.runs[0]];
    this.sides.forEach((side, k) => side.offer(about, usual[k]?.run));
    if (this.near) this.#open();
    this.#mark();
  }

  #open() {
    for (const side of this.sides) side.open();
  }

  #go(step) {
    this.at = step;
    for (const side of this.sides) side.go(step);
    this.#mark();
  }

  #mark() {
    const steps = Math.max(1, ...(this.about?.runs ?? []).map((run) => run.steps));
    const newest = Math.max(0, ...this.sides.map((side) => side.newest));
    const kept = this.sides.some((side) => side.kept.length);
    this.slider.disabled = this.live.disabled = !kept;
    setAttribute(this.slider, "max", steps);
    const place = this.at ?? newest;
    if (Number(this.slider.value) !== place) this.slider.value = String(place);
    this.slider.style.setProperty("--done", `${(newest / steps) * 100}%`);
    setText(this.words, kept ? `step ${count(place)}` : "");
    setAttribute(this.live, "aria-pressed", String(this.at === null));
  }

  changed() {
    if (!this.node) return; // its parts are being made
    this.#mark();
    this.draw();
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      for (const side of this.sides) side.draw();
      if (this.crosshair.t !== null) this.crosshair.draw();
    });
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.seen.disconnect();
    this.resized.disconnect();
    for (const side of this.sides) side.close();
  }
}

/** One of the two: which run, its live line, its pictures. */
class Side {
  constructor(name, gates) {
    this.gates = gates;
    this.run = this.chosen = null;
    this.kept = [];
    this.select = el("select.lab-select", { "aria-label": `${name} run` });
    this.select.addEventListener("change", () => {
      this.chosen = this.select.value;
      this.open();
    });
    this.place = el("span.lab-label");
    this.hint = el("p.lab-hint", {}, "The gates appear here as soon as the run begins.");
    this.holder = el("div.race-map", {}, this.hint);
    this.node = el("div.race-side", {}, el("div.race-pick", {}, this.select, this.place), this.holder);
    const { base } = gates.page;
    this.snapshots = new Snapshots(base, () => gates.changed());
    this.stream = new Stream(base, {
      message: (message) => this.#message(message),
      frame: (buffer) => this.#frame(buffer),
      link: () => {},
    });
  }

  get newest() {
    return this.kept.at(-1) ?? 0;
  }

  /** The runs to choose from. */
  offer(about, usual) {
    const options = about.runs.map(({ run, value, seed }) => [run, `${about.values[value]}, seed ${seed}`]);
    const key = JSON.stringify(options);
    if (key !== this.offered) {
      this.offered = key;
      this.select.replaceChildren(...options.map(([run, words]) => el("option", { value: run }, words)));
    }
    if (!options.some(([run]) => run === this.chosen)) this.chosen = usual ?? null;
    if (this.select.value !== this.chosen) this.select.value = this.chosen ?? "";
  }

  /** Begin to watch the run that is chosen. */
  open() {
    if (this.chosen !== this.run) this.watch(this.chosen);
  }

  watch(run) {
    this.run = run;
    if (run === null) this.chosen = null;
    this.kept = [];
    this.about = null;
    this.panel?.close();
    this.panel = null;
    this.holder.replaceChildren(this.hint);
    setText(this.place, "");
    this.snapshots.watch(run);
    this.stream.watch(run, 0);
  }

  /** Show the kept step nearest to one, or follow the newest. */
  go(step) {
    this.snapshots.goto(step === null ? null : this.#nearest(step));
    this.gates.draw();
  }

  #nearest(step) {
    return this.kept.reduce((best, kept) => (Math.abs(kept - step) < Math.abs(best - step) ? kept : best), this.kept[0] ?? 0);
  }

  #message(message) {
    if (message.run !== this.run) return;
    if (message.type === "reset") this.#reset(message);
    else if (message.type === "state") {
      const first = !this.kept.length;
      this.kept = message.snapshots ?? [];
      if (first && this.gates.at !== null) this.go(this.gates.at);
      this.gates.changed();
    }
  }

  #reset({ revision, about, figures }) {
    this.snapshots.clear();
    this.stream.reached(null, revision);
    if (!about) return;
    const spec = JSON.parse(figures).panels.find((panel) => panel.id === "gates");
    if (!spec) return;
    this.about = about;
    this.panel?.close();
    this.panel = new MapPanel({ ...spec, height: 1 }, this.#context());
    this.holder.replaceChildren(this.panel.node);
    this.gates.draw();
  }

  #frame(buffer) {
    const frame = decode(buffer);
    if (frame.kind !== "scalars") this.snapshots.add(frame);
    this.stream.reached(frame.seq, null);
  }

  #context() {
    const { gates } = this;
    const { page } = gates;
    return {
      choices: gates.choices,
      crosshair: gates.crosshair,
      palettes: () => page.look().palettes,
      gates: page.gates,
      about: this.about,
      colours: () => page.look(),
      sample: () => 0,
      steps: () => this.about?.T ?? 1,
      fontSize: page.fontSize,
      pixels: () => window.devicePixelRatio || 1,
      thickness: () => 1,
      wake: () => gates.draw(),
    };
  }

  draw() {
    if (!this.panel) return;
    const { arrays, step } = this.snapshots.view();
    this.panel.measure();
    this.panel.draw({ arrays });
    setText(this.place, step < 0 ? "" : `at its step ${count(step)}`);
    const sample = this.about.samples?.[0]?.title ?? "";
    this.panel.say({ sentence: `${sample ? `Sample: ${sample}. ` : ""}Each row is a unit, each column a time step; both runs read the same sequence where their seed is the same.` });
  }

  close() {
    this.closed = true;
    this.stream.close();
    this.panel?.close();
  }
}
