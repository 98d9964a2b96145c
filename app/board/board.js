/** The board of a run: builds the page once, follows the live line, draws what changed. */

import { AlignmentPanel } from "./alignment.js";
import { inShort } from "./answering.js";
import { Crosshair } from "./crosshair.js";
import { el, rootOf } from "./dom.js";
import { Findings, FindingsPanel, Headline, show } from "./findings.js";
import { EvolutionPanel } from "./evolution.js";
import { Scalars, decode } from "./frames.js";
import { Groups } from "./groups.js";
import { Head } from "./head.js";
import { HistogramPanel } from "./histograms.js";
import { Histories } from "./histories.js";
import { press } from "./keys.js";
import { LinePanel } from "./lines.js";
import { load, lookOf } from "./look.js";
import { MapPanel } from "./maps.js";
import { Pace } from "./pace.js";
import { Panel } from "./panel.js";
import { savePicture } from "./picture.js";
import { READINGS } from "./readings.js";
import { Sampler } from "./sampler.js";
import { Snapshots } from "./snapshots.js";
import { Stream } from "./socket.js";
import { count } from "./text.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";
import { WordsPanel } from "./words.js";

const KINDS = { lines: LinePanel, maps: MapPanel, alignment: AlignmentPanel, words: WordsPanel, findings: FindingsPanel, evolution: EvolutionPanel, histograms: HistogramPanel };
const SETTLE = 400; // ms after the last change until the large numbers are its own
const REST = 2000; // ms until a chart that was only moved is drawn in full; one that is pointed at is so at once
const FINE = 2; // pixels of a saved map for each of the page, at least
const SPEAK = 250; // ms between two changes of the words and large numbers

const boards = new WeakMap();

/**
 * Called by Streamlit at the first showing, at every change of data and of the theme; always gives the same cleanup.
 * @param {{parentElement: HTMLElement, data: any, setTriggerValue: (name: string, value: any) => void}} component
 */
export function mount(component) {
  let board = boards.get(component.parentElement);
  if (!board) boards.set(component.parentElement, (board = new Board(component)));
  board.update(component);
  return board.leave;
}

class Board {
  constructor({ parentElement, data }) {
    this.parent = parentElement;
    this.data = data;
    this.run = undefined;
    this.choices = {};
    this.sample = 0;
    this.panels = [];
    this.crosshair = new Crosshair(() => this.#fontSize());
    this.visible = new Set();
    this.counters = (window.__lab = { draws: 0, frames: 0, step: -1, snapshot: -1, cost: [], delays: [] });
    this.pace = new Pace((now) => this.#draw(now), this.counters);
    // Streamlit also calls the cleanup of a call that another one has overtaken: only a page that is gone counts.
    this.leave = () => setTimeout(() => this.parent.isConnected || this.close());
    this.head = new Head(() => this.present());
    this.transport = new Transport((name, more) => this.act(name, more));
    this.timeline = new Timeline((step) => this.goto(step), (step) => this.act("fork", { step }));
    this.stream = new Stream(data.base, {
      message: (message) => this.#message(message),
      frame: (buffer) => this.#frame(buffer),
      link: (link, seconds) => this.#link(link, seconds),
    });
    this.snapshots = new Snapshots(data.base, () => this.wake());
    this.histories = new Histories(data.base, () => this.#refresh());
    this.findings = new Findings(data.base, () => this.#refresh());
    this.headline = new Headline(this.#steering());
    this.headline.node.hidden = Boolean(data.only?.length) && !data.only.includes("findings"); // a lesson lets one look first
    this.top = el("div.lab-top", {}, this.head.line, this.transport.node, this.headline.node);
    this.groups = new Groups(data.groups ?? {}, () => this.#refresh(), this.top);
    this.#build();
    this.#clear();
    this.onKey = (event) => press(event, this);
    this.onVisible = () => document.hidden || this.wake();
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("visibilitychange", this.onVisible);
    this.resized = new ResizeObserver(() => this.wake());
    this.seen = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "100px" });
    load(data, () => this.wake());
  }

  // -- what Streamlit says ---------------------------------------------------------------------------------------------

  update(component) {
    this.component = component;
    this.data = component.data;
    if (!this.root.isConnected) this.parent.append(this.root);
    this.#theme();
    if (this.data.run !== this.run) this.#watch(this.data.run);
    this.timeline.update(this.state, this.data.begins);
    this.#speak();
    this.wake();
  }

  act(name, more = {}) {
    this.component.setTriggerValue("action", { name, run: this.run, ...more });
    const word = { pause: "pausing…", resume: "resuming…", stop: "stopping…", train: "starting", rewind: "starting", reseed: "starting", fork: "forking…", try: "starting" }[name];
    if (word) this.head.expect(word, this.state);
    this.#speak();
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    boards.delete(this.parent);
    this.stream.close();
    this.findings.close();
    this.pace.close();
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("visibilitychange", this.onVisible);
    document.documentElement.classList.remove("lab-present");
    this.resized.disconnect();
    this.seen.disconnect();
    this.groups.close();
    for (const panel of this.panels) panel.close?.();
    this.root.remove();
  }

  // -- the page ----------------------------------------------------------------------------------------------------------

  #build() {
    this.sampler = new Sampler((sample) => this.#choose(sample));
    this.columns = { steps: el("div.lab-column"), time: el("div.lab-column") };
    this.root = rootOf(
      "div.lab-board",
      { "data-mode": "light" },
      this.top,
      this.head.notice,
      el("div.lab-columns", {}, this.columns.steps, this.columns.time),
      this.groups.node,
      this.groups.bodies,
      this.timeline.node,
      this.head.spoken,
    );
    this.parent.append(this.root);
  }

  #theme() {
    this.look = lookOf(this.parent, this.data.look);
    const { mode, tokens } = this.look;
    this.root.dataset.mode = mode;
    for (const [name, colour] of Object.entries(tokens)) this.root.style.setProperty(`--${name}`, colour);
    this.ui += 1;
  }

  /** What a finding may do: begin an experiment, and lead to the panel that proves it. */
  #steering() {
    return {
      findings: () => this.findings.found,
      refused: () => (this.data.begins ? "" : "You are watching this run; make a copy with its settings to try this on."),
      act: (name, more) => this.act(name, more),
      titleOf: (id) => this.panels.find((panel) => panel.id === id)?.heading.textContent,
      goto: (id) => {
        const panel = this.panels.find((one) => one.id === id);
        if (!panel) return;
        if (!this.groups.shows(panel.group)) this.groups.turn(panel.group, true);
        show(panel.node);
      },
    };
  }

  /** What the panels may ask of the board. */
  #context() {
    const board = this;
    return {
      ...this.#steering(),
      choices: this.choices,
      crosshair: this.crosshair,
      palettes: () => this.look.palettes,
      gates: this.data.look.gates,
      get about() {
        return board.about ?? {};
      },
      colours: () => this.look,
      sample: () => this.sample,
      steps: () => this.about?.T ?? 1,
      fontSize: () => this.#fontSize(),
      pixels: () => Math.max(this.finely ? FINE : 1, window.devicePixelRatio || 1),
      thickness: () => (this.presented ? 1.6 : 1),
      wake: () => {
        this.ui += 1;
        this.wake();
      },
    };
  }

  /** Draw and say everything anew. */
  #refresh() {
    this.ui += 1;
    this.wordsAt = 0;
    this.wake();
  }

  #fontSize() {
    return this.presented ? 16 : 12;
  }

  /** Put up panels; the old ones stay where the new ones are the same. */
  #furnish(all) {
    const specs = this.data.only?.length ? all.filter((spec) => this.data.only.includes(spec.id)) : all;
    const text = JSON.stringify(specs);
    if (text === this.furnished) return;
    this.furnished = text;
    for (const panel of this.panels) panel.close?.();
    this.resized.disconnect();
    this.seen.disconnect();
    this.visible.clear();
    const context = this.#context();
    this.panels = specs.map((spec) => Object.assign(spec.figure ? new KINDS[spec.kind](spec, context) : new Panel(spec), {
      column: spec.column,
      group: this.data.only?.length ? "main" : spec.group,
      key: "",
    }));
    const main = this.panels.filter((panel) => panel.group === "main");
    for (const name of ["steps", "time"]) this.columns[name].replaceChildren(...main.filter((panel) => panel.column === name).map((panel) => panel.node));
    this.groups.furnish(this.panels);
    for (const panel of this.panels) {
      panel.take = () => this.#picture(panel);
      this.resized.observe(panel.picture);
      this.seen.observe(panel.node);
    }
    this.wordsAt = 0;
  }

  /** A panel as a file: drawn in full and finely, with the run, the choices and the step that it shows. */
  async #picture(panel) {
    const { step, ...model } = this.#model();
    const shown = model.at ?? (panel.along ? this.scalars.last : step);
    const chosen = [...panel.node.querySelectorAll("select")].filter((select) => !select.hidden).map((select) => select.selectedOptions[0]?.textContent);
    const name = this.state?.name || this.about?.title || this.data.title;
    this.finely = true;
    try {
      panel.measure();
      if (panel.draw && this.about) panel.draw(model, true);
      await savePicture(panel.node, "", { note: [name, ...chosen, shown >= 0 && `step ${count(shown)}`].filter(Boolean).join(" · "), file: name });
    } finally {
      this.finely = false;
      panel.key = "";
      this.wake();
    }
  }

  #sampler() {
    const samples = this.about?.samples ?? [];
    if (this.sample >= samples.length) this.#choose(0);
    this.sampler.furnish(this.panels, samples, this.sample);
  }

  present(on = !this.presented) {
    this.presented = on;
    document.documentElement.classList.toggle("lab-present", on);
    this.head.present(on);
    this.ui += 1;
    this.wake();
  }

  // -- the live line ---------------------------------------------------------------------------------------------------

  #watch(run) {
    if (this.run !== undefined) this.#uncover();
    this.run = run;
    this.state = null;
    this.missing = this.trouble = null;
    this.described = false; // the panels of the run before stay, empty, until this one's are known
    this.head.reset();
    this.#clear();
    for (const panel of this.panels) panel.reset?.();
    this.timeline.reset();
    this.snapshots.watch(run);
    this.findings.watch(this.headline.node.hidden ? null : run);
    this.histories.watch(run);
    if (!this.panels.length || run === null) this.#bare();
    this.stream.watch(run, this.sample);
  }

  /** On a phone the settings lie over the board: a run that was begun there is what one wants to see. */
  #uncover() {
    if (window.matchMedia("(max-width: 820px)").matches) document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  }

  /** Panels without pictures, for a page that has not shown any run yet. */
  #bare() {
    this.about = null;
    this.#furnish(this.data.panels);
    this.#sampler();
  }

  /** Forget what was measured; what the viewer has chosen stays. */
  #clear() {
    this.scalars = new Scalars();
    this.history = false;
    this.ui = (this.ui ?? 0) + 1;
    for (const panel of this.panels) panel.smoothed?.clear();
  }

  #choose(sample) {
    this.sample = sample;
    this.sampler.show(sample);
    this.snapshots.choose(sample);
    this.histories.choose();
    this.stream.choose(sample);
    this.ui += 1;
    this.#speak();
    this.wake();
  }

  goto(step) {
    this.snapshots.goto(step);
    this.wordsAt = 0;
    this.wake();
  }

  #message(message) {
    this.trouble = message.type === "trouble" ? message.message : null;
    if (message.type === "trouble") this.#speak();
    else if (message.type === "missing") {
      this.missing = message.message;
      this.#speak();
    } else if (message.type === "reset" && message.run === this.run) this.#reset(message);
    else if (message.type === "state" && message.run === this.run) {
      const marks = JSON.stringify([message.overrides, message.steps, message.clip, message.clip_threshold]);
      if (marks !== this.marks) this.ui += 1;
      this.marks = marks;
      this.missing = null;
      this.state = message;
      this.root.dataset.run = message.run;
      this.findings.update(message);
      this.timeline.update(message, this.data.begins);
      this.#speak();
    }
    this.wake();
  }

  #reset({ revision, about, figures }) {
    this.#clear();
    this.history = true;
    this.snapshots.clear();
    this.histories.clear();
    this.stream.reached(null, revision);
    if (!about) return;
    this.about = about;
    this.described = true;
    this.root.dataset.shows = this.run; // from now on the panels stay: only another run puts up others
    this.#furnish(JSON.parse(figures).panels);
    this.#sampler();
    this.ui += 1;
    this.wordsAt = 0;
    this.#speak();
    this.wake(true);
  }

  #frame(buffer) {
    const frame = decode(buffer);
    this.counters.frames += 1;
    if (frame.kind === "scalars") {
      const found = this.scalars.add(frame, this.history);
      const first = this.history;
      this.history = false;
      if (found === "gap") return this.stream.resync();
      this.made ??= frame.made;
      if (this.state?.status === "finished") this.#speak();
      if (first) this.wake(true);
    } else {
      this.snapshots.add(frame);
      this.histories.add(frame);
    }
    this.stream.reached(frame.seq, null);
    this.wake();
  }

  #link(link, seconds) {
    this.head.connected(link, seconds);
    this.#speak();
  }

  // -- drawing -----------------------------------------------------------------------------------------------------------

  wake(hurry) {
    this.pace.wake(hurry);
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const panel = this.panels.find((one) => one.node === target);
      if (isIntersecting) this.visible.add(panel);
      else this.visible.delete(panel);
    }
    this.wake();
  }

  /** What panels draw: the curves, the arrays of the shown snapshot, those of the first one, and over training. */
  #model() {
    const { arrays, step } = this.snapshots.view();
    return {
      step,
      arrays,
      at: this.timeline.at,
      state: this.state,
      scalars: this.scalars,
      first: () => this.snapshots.first(this.timeline.kept[0]),
      history: (name, sample = null) => this.histories.get(name, sample),
    };
  }

  #draw(begun) {
    const model = this.#model();
    const { step } = model;
    let drawn = 0;
    const seen = this.about ? this.panels.filter((panel) => panel.draw && this.visible.has(panel)) : [];
    for (const panel of seen) panel.measure();
    for (const panel of seen) {
      const moving = panel.along ? this.scalars.last : this.snapshots.version; // with every step, or with every snapshot
      const key = [moving, this.ui, panel.room.width, panel.room.height, Boolean(window.Plotly)].join();
      const pointed = panel.point?.(model.at) ?? true;
      if (pointed && key === panel.key && !(panel.stale && begun - panel.drawnAt > REST)) continue;
      const settled = pointed && key === panel.key;
      panel.key = key;
      if (panel.draw(model, settled)) drawn += 1;
    }
    if (this.crosshair.t !== null) this.crosshair.draw();
    const spoken = begun - (this.wordsAt ?? 0) > SPEAK;
    if (spoken) this.#read(model, begun);
    Object.assign(this.counters, { step: this.scalars.last, snapshot: step });
    if (drawn) {
      this.pace.spent(this.made);
      this.made = null;
    }
    if (drawn || !spoken) this.pace.later(SETTLE);
    else if (seen.some((panel) => panel.stale)) this.pace.later(REST);
  }

  #read({ arrays, at, first }, now) {
    this.wordsAt = now;
    for (const panel of this.panels.filter(({ group }) => this.groups.shows(group))) {
      const known = { about: this.about ?? {}, scalars: this.scalars, arrays, state: this.state, at, sample: this.sample, layer: panel.layer, panel, first, findings: this.findings.found };
      const reading = READINGS[panel.id];
      panel.say(this.described && reading ? reading(known) : { number: "", label: "", sentence: this.#waiting() });
    }
    this.headline.show(this.findings.found);
    this.sampler.say(this.described ? inShort(this.about, this.about.samples?.[this.sample], arrays) : "");
  }

  #waiting() {
    if (this.missing) return "";
    if (this.run === null) return "Press Train: the first points appear here about a second later.";
    if (this.state?.desired === "paused") return "Press Resume or Step: the first points appear here.";
    return "The first points appear here as soon as the run begins.";
  }

  /** The head line, the notice and the buttons. */
  #speak() {
    const { run, state, missing, trouble, data } = this;
    const best = this.scalars.get("best/step")?.last;
    this.head.show({ run, state, missing, trouble, best, about: this.described ? this.about : null, title: data.title });
    this.transport.update(state, data.editable, data.begins);
    this.root.classList.toggle("looking", this.transport.node.hidden);
  }
}
