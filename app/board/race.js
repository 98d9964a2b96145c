/** A race: asks for what is new while it goes on, and draws every run, each value's median and band, and the table. */

import { el, rootOf, setAttribute, setText } from "./dom.js";
import { decode } from "./frames.js";
import { load, lookOf } from "./look.js";
import { toggle } from "./panel.js";
import { Gates } from "./race_gates.js";
import { RacePanel } from "./race_panel.js";
import { Table } from "./race_table.js";
import { readingOf, runWords, standing } from "./race_words.js";

const POLL = 500; // ms between two questions while it goes on …
const REST = 5000; // … and when it is over: somebody may add seeds
const LOST = [1000, 2000, 4000, 8000]; // ms until the next try after one that failed

const races = new WeakMap();

/** As `mount` of board.js. */
export function mount(component) {
  let race = races.get(component.parentElement);
  if (!race) races.set(component.parentElement, (race = new Race(component)));
  race.update(component);
  return race.leave;
}

class Race {
  constructor({ parentElement, data }) {
    this.parent = parentElement;
    this.data = data;
    this.hidden = new Set(); // values that are not shown
    this.selected = null; // a run's id
    this.pointed = null;
    this.panels = [];
    this.failures = 0;
    this.leave = () => setTimeout(() => this.parent.isConnected || this.close());
    this.#build();
    this.onVisible = () => document.hidden || this.#ask();
    document.addEventListener("visibilitychange", this.onVisible);
    this.resized = new ResizeObserver(() => this.wake());
    this.resized.observe(this.root);
    load({ css: data.style, plotly: data.plotly }, () => this.wake());
    load(data, () => this.wake());
  }

  // -- what Streamlit says ---------------------------------------------------------------------------------------------

  update(component) {
    this.component = component;
    const another = component.data.race !== this.race;
    this.data = component.data;
    if (!this.root.isConnected) this.parent.append(this.root);
    this.look = lookOf(this.parent, this.data.look);
    this.root.dataset.mode = this.look.mode;
    for (const [name, colour] of Object.entries(this.look.tokens)) this.root.style.setProperty(`--${name}`, colour);
    if (another) this.#watch(this.data.race);
    else this.#ask();
    this.#speak();
    this.wake();
  }

  act(name, more = {}) {
    this.component.setTriggerValue("action", { name, race: this.race, ...more });
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    races.delete(this.parent);
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    document.removeEventListener("visibilitychange", this.onVisible);
    this.resized.disconnect();
    for (const panel of this.panels) panel.close();
    this.gates.close();
    this.root.remove();
  }

  // -- the page ----------------------------------------------------------------------------------------------------------

  #build() {
    this.name = el("h2.lab-name");
    this.dot = el("span.lab-dot", { "aria-hidden": "true" });
    this.word = el("span.lab-word");
    this.rest = el("span.lab-rest");
    this.state = el("div.lab-state", { "data-tone": "calm" }, this.dot, this.word, this.rest);
    this.link = el("span.lab-link", { role: "status" });
    this.notice = el("div.lab-notice", { role: "alert", hidden: true });
    this.buttons = this.#buttons();
    this.chips = el("div.race-chips", { role: "group", "aria-label": "Values that are shown" });
    this.said = el("p.race-said", { "aria-live": "polite" });
    this.pictures = el("div.race-pictures");
    this.table = new Table({
      pick: (run) => this.pick(run),
      point: (run) => this.point(run),
      colour: (value) => this.#colour(value),
    });
    this.gates = new Gates({ base: this.data.base, look: () => this.look, gates: this.data.look.gates, fontSize: () => 12 });
    this.root = rootOf(
      "div.lab-board.race",
      {},
      el("div.lab-top", {}, el("header.lab-headline", {}, this.name, this.link, this.state), this.buttons),
      this.notice,
      this.chips,
      this.pictures,
      this.said,
      this.table.node,
      this.gates.node,
    );
    this.parent.append(this.root);
  }

  #buttons() {
    const button = (words, title, act) => {
      const node = el("button.lab-button", { type: "button", title }, words);
      node.addEventListener("click", act);
      return node;
    };
    this.stop = button("Stop all", "End every run that is not over; what was measured stays", () => this.act("stop"));
    this.count = el("input.lab-input", { type: "number", min: 1, max: 20, value: 1, "aria-label": "How many seeds to add" });
    this.more = button("Add seeds", "Begin more runs of every value, with the next seeds", () => {
      this.act("seeds", { n: Math.max(1, Math.min(20, Math.round(Number(this.count.value)) || 1)) });
      this.more.disabled = true; // until the page has heard: a double click adds once
      setTimeout(() => this.#speak(), 1500);
      this.busy = performance.now();
    });
    this.remove = button("Delete", "Remove this race and its runs; the runs can be taken back on the page Runs", () => {
      if (this.sure) return this.act("delete");
      this.sure = true;
      setText(this.remove, "Delete it with its runs?");
      setTimeout(() => {
        this.sure = false;
        setText(this.remove, "Delete");
      }, 4000);
    });
    this.keep = el("a.lab-button", { download: "", title: "One row for each run, for a spreadsheet" }, "Download table (CSV)");
    return el("div.lab-transport.race-buttons", { role: "toolbar", "aria-label": "Race" }, this.stop, this.count, this.more, this.keep, this.remove);
  }

  // -- the race --------------------------------------------------------------------------------------------------------

  #watch(race) {
    this.race = race;
    this.tag = null;
    this.about = this.arrays = this.missing = this.order = null;
    this.hidden.clear();
    this.selected = this.pointed = null;
    for (const panel of this.panels) panel.close();
    this.panels = [];
    this.pictures.replaceChildren();
    this.chips.replaceChildren();
    this.table.show(null);
    this.gates.show(null, null);
    this.keep.href = `${this.data.base}/races/${encodeURIComponent(race)}/table.csv`;
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.timer);
    if (this.asking || this.closed || document.hidden) return;
    this.asking = true;
    const { race } = this;
    let wait = REST;
    try {
      const answer = await fetch(`${this.data.base}/races/${encodeURIComponent(race)}/curves`);
      if (answer.status === 404) this.missing = (await answer.json()).message;
      else if (!answer.ok) throw new Error(answer.statusText);
      else await this.#take(race, answer);
      this.failures = 0;
      const { state } = this.about ?? {};
      if (!this.missing && state && state.over < state.runs) wait = POLL;
    } catch {
      wait = LOST[Math.min(this.failures++, LOST.length - 1)];
    }
    this.asking = false;
    if (this.closed) return;
    this.#speak();
    this.timer = setTimeout(() => this.#ask(), race === this.race ? wait : 0);
  }

  async #take(race, answer) {
    const tag = answer.headers.get("etag");
    if (tag && tag === this.tag) return;
    const { arrays } = decode(await answer.arrayBuffer());
    if (race !== this.race || this.closed) return;
    const about = JSON.parse(new TextDecoder().decode(arrays.get("about").data));
    const order = JSON.stringify([about.order, about.values, about.loss, about.chance]);
    if (order !== this.order) await this.#furnish(race);
    if (race !== this.race || this.closed) return;
    Object.assign(this, { about, arrays, tag, order, missing: null });
    this.#chips();
    this.table.show(about);
    this.gates.show(about, this.values);
    this.wake();
  }

  async #furnish(race) {
    const answer = await fetch(`${this.data.base}/races/${encodeURIComponent(race)}/figures`);
    if (!answer.ok) throw new Error(answer.statusText);
    const { panels, values } = await answer.json();
    if (race !== this.race || this.closed) return;
    this.values = values;
    if (this.panels.length) panels.forEach((spec, k) => this.panels[k].change(spec));
    else {
      this.panels = panels.map((spec) => new RacePanel(spec, this.#context()));
      this.pictures.replaceChildren(...this.panels.map((panel) => panel.node));
    }
  }

  #context() {
    return {
      colours: () => this.look,
      hidden: (value) => this.hidden.has(value),
      lit: () => this.pointed ?? this.selected,
      run: (row) => this.about?.runs[row],
      words: (value) => this.about?.values[value] ?? "",
      pick: (run) => this.pick(run),
      point: (run) => this.point(run),
      wake: () => this.wake(),
    };
  }

  #colour(value) {
    return this.values?.[value]?.colour ?? "currentColor";
  }

  #chips() {
    const { values } = this.about;
    const key = JSON.stringify(values);
    if (this.chipped === key && this.chips.children.length === values.length) return;
    this.chipped = key;
    this.chips.replaceChildren(
      ...values.map((words, value) =>
        toggle(words, {
          colour: this.#colour(value),
          dash: this.values[value].dash,
          pressed: !this.hidden.has(value),
          title: `Show or hide ${words}`,
          onclick: (shown) => {
            if (shown) this.hidden.delete(value);
            else this.hidden.add(value);
            this.wake();
          },
        }),
      ),
    );
  }

  /** Choose a run, or let it go. */
  pick(run) {
    this.selected = run === this.selected ? null : run;
    this.#speak();
    this.wake();
  }

  /** Point at a run with the mouse, or at none. */
  point(run) {
    if (run === this.pointed) return;
    this.pointed = run;
    this.#speak();
    this.wake();
  }

  wake() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.closed || !this.arrays) return;
      for (const panel of this.panels) {
        if (window.Plotly) panel.draw(this.about, this.arrays);
        panel.say(readingOf(panel.id, this.about));
      }
    });
  }

  #speak() {
    const { about, data, missing } = this;
    setText(this.name, about ? about.title : data.title);
    setAttribute(this.name, "title", about ? about.title : data.title);
    setText(this.link, this.failures ? "reconnecting…" : "");
    this.notice.hidden = !missing;
    setText(this.notice, missing ?? "");
    const { word, rest, tone } = missing ? { word: "not here", rest: "", tone: "bad" } : standing(about);
    setText(this.word, word);
    setText(this.rest, rest);
    this.state.dataset.tone = tone;
    for (const node of [this.stop, this.count, this.more, this.remove]) node.hidden = !data.editable;
    const going = about && !missing && about.state.over < about.state.runs;
    this.stop.disabled = !going || about.state.stopping;
    this.more.disabled = this.count.disabled = !about || Boolean(missing) || performance.now() - (this.busy ?? -1e9) < 1500;
    this.remove.disabled = !about || Boolean(missing);
    setAttribute(this.keep, "aria-disabled", about && !missing ? null : "true");
    const lit = this.pointed ?? this.selected;
    const run = about?.runs.find((one) => one.run === lit);
    this.#say(run);
    this.table.light(lit, this.selected);
  }

  /** One line on the run that is chosen, with the way to it. */
  #say(run) {
    const key = run ? JSON.stringify(run) : "";
    if (this.saidKey === key) return;
    this.saidKey = key;
    if (!run) return this.said.replaceChildren("Point at a line or a row to see one run; click to keep it lit.");
    this.said.replaceChildren(runWords(run, this.about), " ", el("a", { href: `/?run=${encodeURIComponent(run.run)}`, target: "_blank" }, "Open in the Lab"));
  }
}
