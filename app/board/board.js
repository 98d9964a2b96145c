/** The board of a run: builds the page once, follows the live line, draws what changed. */

import { Crosshair } from "./crosshair.js";
import { el, icon, rgba, setAttribute, setText } from "./dom.js";
import { Scalars, decode } from "./frames.js";
import { LinePanel } from "./lines.js";
import { MapPanel } from "./maps.js";
import { Panel } from "./panel.js";
import { READINGS } from "./readings.js";
import { Snapshots } from "./snapshots.js";
import { Stream } from "./socket.js";
import { describe } from "./text.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";

const DRAW = 70; // ms between two drawings
const SETTLE = 400; // ms after the last change until charts are drawn in full
const SPEAK = 250; // ms between two changes of the words and large numbers
const TURN = 3000; // ms for which a run that waits for its next turn still counts as running
const ANNOUNCE = 5000; // ms between two announcements to a screen reader

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
    this.counters = (window.__lab = { draws: 0, frames: 0, step: -1, snapshot: -1, drawnAt: 0, cost: [], sockets: 0 });
    // Streamlit also calls the cleanup of a call that another one has overtaken: only a page that is gone counts.
    this.leave = () => setTimeout(() => this.parent.isConnected || this.close());
    this.transport = new Transport((name, more) => this.act(name, more));
    this.timeline = new Timeline((step) => this.goto(step));
    this.stream = new Stream(data.base, {
      message: (message) => this.#message(message),
      frame: (buffer) => this.#frame(buffer),
      link: (link, seconds) => this.#link(link, seconds),
    });
    this.snapshots = new Snapshots(data.base, () => this.wake());
    this.#build();
    this.#clear();
    this.onKey = (event) => this.#key(event);
    this.onVisible = () => document.hidden || this.wake();
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("visibilitychange", this.onVisible);
    this.resized = new ResizeObserver(() => this.wake());
    this.seen = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "100px" });
    this.#load();
  }

  // -- what Streamlit says ---------------------------------------------------------------------------------------------

  update(component) {
    this.component = component;
    this.data = component.data;
    if (!this.root.isConnected) this.parent.append(this.root);
    this.#theme();
    if (this.data.run !== this.run) this.#watch(this.data.run);
    this.#speak();
    this.wake();
  }

  act(name, more = {}) {
    this.component.setTriggerValue("action", { name, run: this.run, ...more });
    const word = { pause: "pausing…", resume: "resuming…", stop: "stopping…", train: "starting", rewind: "starting", reseed: "starting" }[name];
    if (word) {
      this.hope = { word, was: this.state?.desired, run: this.run, until: Date.now() + 3000 };
      this.#speak();
    }
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    boards.delete(this.parent);
    this.stream.close();
    clearTimeout(this.timer);
    clearTimeout(this.last);
    cancelAnimationFrame(this.frame);
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("visibilitychange", this.onVisible);
    document.documentElement.classList.remove("lab-present");
    this.resized.disconnect();
    this.seen.disconnect();
    for (const panel of this.panels) panel.close?.();
    this.root.remove();
  }

  // -- the page ----------------------------------------------------------------------------------------------------------

  #build() {
    this.title = el("h2.lab-name");
    this.name = el("span");
    this.setting = el("span.lab-setting");
    this.title.append(this.name, this.setting);
    this.word = el("span.lab-word");
    this.rest = el("span.lab-rest");
    this.pill = el("div.lab-state", { "data-tone": "calm" }, el("span.lab-dot", { "aria-hidden": "true" }), this.word, this.rest);
    this.link = el("span.lab-link");
    this.spoken = el("div.lab-spoken", { "aria-live": "polite", role: "status" });
    this.presenting = el("button.lab-button.lab-quiet", { type: "button", "aria-label": "Present", "aria-pressed": "false", title: "Larger, with everything else folded away (P)" }, icon("present"));
    this.presenting.addEventListener("click", () => this.#present());
    this.notice = el("div.lab-notice", { role: "alert", hidden: true });
    this.sampler = el("select.lab-select", { "aria-label": "Sample", hidden: true });
    this.sampler.addEventListener("change", () => this.#choose(Number(this.sampler.value)));
    this.answer = el("span.lab-answer");
    this.columns = { steps: el("div.lab-column"), time: el("div.lab-column") };
    this.root = el(
      "div.lab-board",
      { "data-mode": "light" },
      el("div.lab-top", {}, el("div.lab-headline", {}, this.title, this.link, this.pill, this.presenting), this.transport.node),
      this.notice,
      el("div.lab-columns", {}, this.columns.steps, this.columns.time),
      this.timeline.node,
      this.spoken,
    );
    this.parent.append(this.root);
  }

  /** The style sheet first, so that nothing is ever seen without it; then plotly, while the maps already draw. */
  #load() {
    const once = (id, make) => {
      const known = document.getElementById(id);
      if (known) return known;
      const node = make();
      node.id = id;
      document.head.append(node);
      return node;
    };
    once(`lab-css-${this.data.css}`, () => el("link", { rel: "stylesheet", href: this.data.css })).addEventListener("load", () => this.wake());
    if (!window.Plotly) once("lab-plotly", () => el("script", { src: this.data.plotly, async: true })).addEventListener("load", () => this.wake());
  }

  #theme() {
    const style = getComputedStyle(this.parent);
    const background = style.getPropertyValue("--st-background-color").trim() || getComputedStyle(document.body).backgroundColor;
    const mode = luminance(background) < 0.4 ? "dark" : "light";
    const { tokens, gates, palettes } = this.data.look;
    const font = style.getPropertyValue("--st-font").trim() || style.fontFamily || "sans-serif";
    const swap = Object.fromEntries(Object.keys(tokens.light).map((name) => [tokens.light[name], tokens[mode][name]]));
    this.look = { mode, font, swap, tokens: { ...tokens[mode], paper: background } };
    this.gates = gates;
    this.maps ??= Object.fromEntries(Object.entries(palettes).map(([name, colours]) => [name, rgba(colours)]));
    this.palettes = { sequential: this.maps.sequential, diverging: this.maps[mode === "dark" ? "diverging_dark" : "diverging"] };
    this.root.dataset.mode = mode;
    for (const [name, colour] of Object.entries(tokens[mode])) this.root.style.setProperty(`--${name}`, colour);
    this.root.style.setProperty("--paper", background);
    this.ui += 1;
  }

  /** What the panels may ask of the board. */
  #context() {
    const board = this;
    return {
      choices: this.choices,
      crosshair: this.crosshair,
      palettes: () => this.palettes,
      gates: this.gates,
      get about() {
        return board.about ?? {};
      },
      colours: () => this.look,
      sample: () => this.sample,
      steps: () => this.about?.T ?? 1,
      fontSize: () => this.#fontSize(),
      thickness: () => (this.present ? 1.6 : 1),
      wake: () => {
        this.ui += 1;
        this.wake();
      },
    };
  }

  #fontSize() {
    return this.present ? 16 : 12;
  }

  /** Put up panels; the old ones stay where the new ones are the same. */
  #furnish(specs) {
    const text = JSON.stringify(specs);
    if (text === this.furnished) return;
    this.furnished = text;
    for (const panel of this.panels) panel.close?.();
    this.resized.disconnect();
    this.seen.disconnect();
    this.visible.clear();
    const kinds = { lines: LinePanel, maps: MapPanel };
    const context = this.#context();
    this.panels = specs.map((spec) => Object.assign(spec.figure ? new kinds[spec.kind](spec, context) : new Panel(spec), { column: spec.column, key: "" }));
    for (const name of ["steps", "time"])
      this.columns[name].replaceChildren(...this.panels.filter((panel) => panel.column === name).map((panel) => panel.node));
    for (const panel of this.panels) {
      this.resized.observe(panel.picture);
      this.seen.observe(panel.node);
    }
    this.#sampler();
    this.wordsAt = 0;
  }

  /** The choice of a sample stands in the head of the gates; its answer beside it. */
  #sampler() {
    const samples = this.about?.samples ?? [];
    const gates = this.panels.find((panel) => panel.id === "gates");
    this.sampler.hidden = samples.length < 2;
    this.sampler.replaceChildren(...samples.map((sample, k) => el("option", { value: k }, sample.title)));
    if (this.sample >= samples.length) this.#choose(0);
    this.sampler.value = String(this.sample);
    gates?.options.append(this.sampler, this.answer);
  }

  #present(on = !this.present) {
    this.present = on;
    document.documentElement.classList.toggle("lab-present", on);
    setAttribute(this.presenting, "aria-pressed", String(on));
    this.ui += 1;
    this.wake();
  }

  #key(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !this.root.isConnected) return;
    if (event.defaultPrevented && target !== this.timeline.slider) return; // the timeline leaves its own keys to the board
    if (target.closest?.("input:not([type=range]), textarea, select, [contenteditable=true], [role=slider], [role=dialog], [role=combobox]")) return;
    const button = target.closest?.("button, a, summary");
    const going = this.state?.desired === "running" && this.state?.status !== "finished";
    const stepping = this.state?.status === "paused" && this.timeline.at === null;
    const keys = {
      " ": () => !button && this.transport.main(),
      ArrowRight: () => (stepping ? this.transport.step(1) : this.timeline.move(1)),
      ArrowLeft: () => (going && this.timeline.at === null ? false : this.timeline.move(-1)),
      Home: () => this.timeline.first(),
      End: () => this.timeline.to(null),
      p: () => this.#present(),
      P: () => this.#present(),
      Escape: () => this.present && this.#present(false),
    };
    if (keys[key] && keys[key]() !== false) event.preventDefault();
  }

  // -- the live line ---------------------------------------------------------------------------------------------------

  #watch(run) {
    this.run = run;
    this.state = null;
    this.missing = null;
    this.described = false; // the panels of the run before stay, empty, until this one's are known
    this.hope = null;
    this.ranAt = 0;
    this.#clear();
    for (const panel of this.panels) panel.reset?.();
    this.timeline.reset();
    this.snapshots.watch(run);
    if (!this.panels.length || run === null) this.#bare();
    this.stream.watch(run, this.sample);
  }

  /** Panels without pictures, for a page that has not shown any run yet. */
  #bare() {
    this.about = null;
    this.#furnish(this.data.panels);
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
    this.sampler.value = String(sample);
    this.snapshots.choose(sample);
    this.stream.choose(sample);
    this.ui += 1;
    this.#speak();
    this.wake();
  }

  goto(step) {
    this.snapshots.goto(step);
    this.ui += 1;
    this.wordsAt = 0;
    this.wake();
  }

  #message(message) {
    if (message.type === "missing") {
      this.missing = message.message;
      this.#speak();
    } else if (message.type === "reset") this.#reset(message);
    else if (message.type === "state" && message.run === this.run) {
      const marks = JSON.stringify([message.overrides, message.steps, message.clip, message.clip_threshold]);
      if (marks !== this.marks) this.ui += 1;
      this.marks = marks;
      if (message.status === "running") this.ranAt = Date.now();
      this.missing = null;
      this.state = message;
      this.timeline.update(message);
      this.#speak();
    }
    this.wake();
  }

  async #reset({ revision, about }) {
    const run = this.run;
    this.#clear();
    this.history = true;
    this.snapshots.clear();
    this.stream.reached(null, revision);
    if (!about) return;
    const address = `${this.data.base}/runs/${encodeURIComponent(run)}/figures`;
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(answer.statusText);
      const { panels } = await answer.json();
      if (this.closed || run !== this.run) return;
      this.about = about;
      this.described = true;
      this.#furnish(panels);
      this.#sampler();
      this.ui += 1;
      this.wordsAt = 0;
      this.#speak();
      this.wake();
    } catch {
      // The line is down as well, and coming back it begins with a reset.
      if (!this.closed && run === this.run) setTimeout(() => run === this.run && this.stream.resync(), 1000);
    }
  }

  #frame(buffer) {
    const frame = decode(buffer);
    this.counters.frames += 1;
    if (frame.kind === "scalars") {
      const found = this.scalars.add(frame, this.history);
      this.history = false;
      if (found === "gap") return this.stream.resync();
      this.made = frame.made;
    } else this.snapshots.add(frame);
    this.stream.reached(frame.seq, null);
    this.wake();
  }

  #link(link, seconds) {
    this.connection = link;
    const words = { live: "", connecting: "", polling: "live line blocked: fetching instead", lost: "reconnecting…" };
    setText(this.link, words[link]);
    this.link.title = link === "lost" ? `The server does not answer; next try in ${Math.ceil(seconds)} s. What is shown stays.` : "";
    this.#speak();
  }

  // -- drawing -----------------------------------------------------------------------------------------------------------

  wake() {
    if (this.frame || this.timer || document.hidden || this.closed) return;
    // A slow machine draws less often, so that no more than a third of a core goes into drawing.
    const wait = Math.max(DRAW, 3 * (this.cost ?? 0)) - (performance.now() - (this.drawnAt ?? -DRAW));
    const ask = () => {
      this.timer = 0;
      this.frame = requestAnimationFrame(() => this.#draw());
    };
    if (wait > 0) this.timer = setTimeout(ask, wait);
    else ask();
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const panel = this.panels.find((one) => one.node === target);
      if (isIntersecting) this.visible.add(panel);
      else this.visible.delete(panel);
    }
    this.wake();
  }

  #draw() {
    this.frame = 0;
    if (document.hidden || this.closed) return;
    const begun = performance.now();
    this.drawnAt = begun;
    const { arrays, step } = this.snapshots.view();
    const at = this.timeline.at;
    const model = { scalars: this.scalars, state: this.state, at, arrays };
    let drawn = 0;
    for (const panel of this.panels) {
      if (!panel.draw || !this.about || !this.visible.has(panel)) continue;
      const moving = panel.column === "steps" ? this.scalars.last : this.snapshots.version;
      const key = [moving, this.ui, panel.picture.clientWidth, panel.picture.clientHeight, Boolean(window.Plotly)].join();
      if (key === panel.key && !(panel.stale && begun - panel.fullAt > SETTLE)) continue;
      panel.key = key;
      if (panel.draw(model)) drawn += 1;
    }
    if (this.crosshair.t !== null) this.crosshair.draw();
    if (begun - (this.wordsAt ?? 0) > SPEAK) this.#read(arrays, at, begun);
    else this.#later();
    const now = performance.now();
    Object.assign(this.counters, { step: this.scalars.last, snapshot: step, drawnAt: Date.now(), made: this.made });
    if (!drawn) return;
    this.#later();
    this.cost = 0.7 * (this.cost ?? 0) + 0.3 * Math.min(now - begun, 200);
    this.counters.draws += 1;
    this.counters.cost.push(now - begun);
    if (this.counters.cost.length > 500) this.counters.cost.shift();
  }

  /** Once nothing moves any more: the last large numbers, and charts that were only moved are drawn in full. */
  #later() {
    clearTimeout(this.last);
    this.last = setTimeout(() => this.wake(), SETTLE + DRAW);
  }

  #read(arrays, at, now) {
    this.wordsAt = now;
    for (const panel of this.panels) {
      const known = { about: this.about ?? {}, scalars: this.scalars, arrays, state: this.state, at, sample: this.sample, layer: panel.layer };
      const reading = READINGS[panel.id];
      panel.say(this.described && reading ? reading(known) : { number: "", label: "", sentence: this.#waiting() });
    }
    const prediction = arrays.get("prediction")?.data;
    const sample = this.about?.samples?.[this.sample];
    setText(this.answer, this.described && prediction && sample ? this.#answer(prediction, sample) : "");
  }

  #answer(prediction, sample) {
    if (!this.about.answers) return `right: ${sample.target}`;
    const answer = this.about.answers[prediction.indexOf(Math.max(...prediction))];
    return answer === sample.target ? `answers ${answer}, which is right` : `answers ${answer}, right is ${sample.target}`;
  }

  #waiting() {
    if (this.missing) return "";
    if (this.run === null) return "Press Train: the first points appear here about a second later.";
    if (this.state?.desired === "paused") return "Press Resume or Step: the first points appear here.";
    return "The first points appear here as soon as the run begins.";
  }

  /** The head line, the notice and the buttons. */
  #speak() {
    const { state } = this;
    const about = this.described ? this.about : null;
    setText(this.name, state?.name || about?.title || this.data.title || (this.run === null ? "No run yet" : "A new run"));
    setText(this.setting, state?.name && about ? about.title : "");
    this.title.classList.toggle("long", this.title.textContent.length > 56);
    let told = this.run === null ? { word: "", rest: "choose settings at the left and press Train", tone: "calm" } : describe(state, this.connection, Date.now() - this.ranAt < TURN);
    if (this.hope && (Date.now() > this.hope.until || this.hope.run !== this.run || state?.desired !== this.hope.was)) this.hope = null;
    if (this.hope) told = { ...told, word: this.hope.word };
    if (this.missing) told = { word: "not found", rest: "", tone: "bad" };
    setText(this.word, told.word);
    setText(this.rest, told.rest);
    this.pill.dataset.tone = told.tone;
    this.#complain(state?.status === "failed" ? state.error : this.missing ? { what: this.missing } : null);
    this.transport.update(state, this.data.editable !== false);
    const now = Date.now();
    const said = `${told.word} ${this.connection === "lost" ? ", reconnecting" : ""}`.trim();
    if (said !== this.said || now - (this.saidAt ?? 0) > ANNOUNCE) {
      if (said !== this.said || told.tone === "live") setText(this.spoken, `${said} ${told.rest}`);
      this.said = said;
      this.saidAt = now;
    }
  }

  /** What went wrong, why, and what to do now. */
  #complain(error) {
    const text = JSON.stringify(error);
    if (text === this.complaint) return;
    this.complaint = text;
    this.notice.hidden = !error;
    this.notice.replaceChildren(
      ...(error ? [el("strong", {}, error.what), error.why ? el("span", {}, error.why) : null, error.remedy ? el("span.lab-remedy", {}, error.remedy) : null].filter(Boolean) : []),
    );
  }
}

/** Relative luminance, roughly, of any CSS colour. */
function luminance(colour) {
  const pen = el("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#ffffff";
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}
