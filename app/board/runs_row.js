/** One run in the table: built once, then only what changed is written anew. */

import { el, setAttribute, setText } from "./dom.js";
import { age, best, keeping, stateOf, steps } from "./runs_words.js";
import { number } from "./text.js";

const THINNED = "To save space most of its pictures were taken out; all numbers, the settings and the weights are kept.";
const SVG = "http://www.w3.org/2000/svg";

export class Row {
  /** @param {string} id @param {{choose: (on: boolean) => void, open: () => void, rename: (name: string) => void}} events */
  constructor(id, events) {
    this.id = id;
    this.events = events;
    this.reachable = false;
    this.box = el("input", { type: "checkbox", tabindex: -1, onchange: () => events.choose(this.box.checked) });
    this.link = el("a.runs-name", { tabindex: -1, onclick: (event) => this.#open(event) }, el("bdi"));
    this.under = el("span.runs-under.lab-label");
    this.field = el("input.lab-input.runs-rename", { type: "text", maxlength: 200, "aria-label": "New name", hidden: true, onkeydown: (event) => this.#typed(event), onblur: () => this.#done(true) });
    this.path = document.createElementNS(SVG, "path");
    this.picture = document.createElementNS(SVG, "svg");
    for (const [name, value] of Object.entries({ viewBox: "-1 -1 102 26", preserveAspectRatio: "none", class: "runs-curve", "aria-hidden": "true" })) this.picture.setAttribute(name, value);
    this.picture.append(this.path);
    this.loss = el("span.runs-loss");
    this.word = el("span.lab-word");
    this.rest = el("span.lab-rest");
    this.state = el("span.lab-state", {}, el("span.lab-dot"), this.word, this.rest);
    this.cells = Object.fromEntries(["task", "initializer", "best", "steps", "age"].map((name) => [name, el("td", { "data-column": name })]));
    const { task, initializer, best, steps, age } = this.cells;
    this.node = el(
      "tr",
      {},
      el("td.runs-check", {}, this.box),
      el("th", { scope: "row", "data-column": "run" }, this.link, this.field, this.under),
      task,
      initializer,
      el("td", { "data-column": "curve" }, this.picture, this.loss),
      best,
      el("td", { "data-column": "state" }, this.state),
      steps,
      age,
    );
    this.node.row = this;
  }

  take(told, context) {
    this.told = told;
    const name = told.name ?? told.title;
    setText(this.link.firstChild, name);
    setAttribute(this.link, "title", name);
    setAttribute(this.link, "href", told.deleted === null ? `${context.home}?run=${told.id}` : null);
    setAttribute(this.box, "aria-label", `Choose \u2068${name}\u2069`);
    setText(this.under, [keeping(told), told.name === null ? "" : told.title, told.id].filter(Boolean).join(" · "));
    setAttribute(this.under, "title", told.thinned === null ? null : THINNED);
    setText(this.cells.task, told.task_title);
    setText(this.cells.initializer, told.initializer);
    setAttribute(this.path, "d", told.curve || null);
    setText(this.loss, told.loss === null ? "–" : number(told.loss));
    setText(this.cells.best, best(told));
    const state = stateOf(told, context);
    setAttribute(this.state, "data-tone", state.tone);
    setText(this.word, state.word);
    setText(this.rest, ["running", "waiting", "failed"].includes(state.word) ? state.rest.replace(/^[\d\s\u2009/]+ · /, "") : "");
    setText(this.cells.steps, steps(told));
    setText(this.cells.age, age(told, context.now));
    const chosen = context.chosen.has(told.id);
    if (this.box.checked !== chosen) this.box.checked = chosen;
    this.node.classList.toggle("chosen", chosen);
    setAttribute(this.node, "aria-current", context.shown === told.id ? "true" : null);
    this.link.classList.toggle("thrown", told.deleted !== null);
  }

  /** Type another name in place of the old one: Enter keeps it, Escape does not. */
  edit() {
    this.field.value = this.told.name ?? "";
    setAttribute(this.field, "placeholder", this.told.title);
    this.field.hidden = false;
    this.link.hidden = true;
    this.field.focus();
    this.field.select();
  }

  reach(on) {
    if (this.reachable === on) return;
    this.reachable = on;
    for (const node of [this.box, this.link]) node.tabIndex = on ? 0 : -1;
  }

  focus(box) {
    (box ? this.box : this.link).focus();
  }

  #open(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return; // to another tab
    event.preventDefault();
    if (this.told.deleted === null) this.events.open();
  }

  #typed(event) {
    if (event.key === "Enter") this.#done(true);
    if (event.key === "Escape") this.#done(false);
  }

  #done(kept) {
    if (this.field.hidden) return;
    this.field.hidden = true;
    this.link.hidden = false;
    const name = this.field.value.trim();
    if (kept && name !== (this.told.name ?? "")) this.events.rename(name);
    this.link.focus();
  }
}
