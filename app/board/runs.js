/** The table of all runs: asks the server for what changed, finds, sorts, chooses; what is pressed goes to Python. */

import { el, rootOf, setAttribute, setText } from "./dom.js";
import { lookOf } from "./look.js";
import { ACTIONS, COLUMNS, STATES, WHOSE, applies, changeable, mine } from "./runs_words.js";
import { Row } from "./runs_row.js";
import { count } from "./text.js";

const POLL = 2000; // ms between two questions for what is new,
const SOON = 150; // while more is to come, and after a button
const FEW = 200; // rows drawn at first: more are a press away
const TYPING = 600; // ms after the last change of the filters until the address has them
const NAME = 48; // signs of a name in a sentence
const UNDO = 60_000; // ms for which what was just deleted is offered back

const tables = new WeakMap();

/** What a run is called, in a sentence: not too long, and in whichever direction it is written. */
function quoted(row) {
  const name = row.name ?? row.title;
  return `“\u2068${name.length > NAME ? `${name.slice(0, NAME)}…` : name}\u2069”`;
}

/** Called by Streamlit at the first showing, at every change of data and of the theme; always gives the same cleanup. */
export function mount(component) {
  let table = tables.get(component.parentElement);
  if (!table) tables.set(component.parentElement, (table = new Table(component)));
  table.update(component);
  return table.leave;
}

class Table {
  constructor({ parentElement, data }) {
    this.parent = parentElement;
    this.known = new Map(); // id → what the server said last
    this.rows = new Map(); // id → what is drawn
    this.chosen = new Set();
    this.waiting = new Map(); // id → its place in few words and in more, in the order of the line
    this.epoch = "";
    this.at = 0;
    this.limit = FEW;
    this.sort = { by: "age", down: true };
    this.filters = { whose: "", search: "", state: "", of: "" };
    this.leave = () => setTimeout(() => this.parent.isConnected || this.close());
    for (const href of data.css)
      if (!document.getElementById(`lab-css-${href}`)) document.head.append(el("link", { rel: "stylesheet", href, id: `lab-css-${href}` }));
    this.#build();
    this.onVisible = () => document.hidden || this.#ask(0);
    document.addEventListener("visibilitychange", this.onVisible);
    this.#ask(0);
  }

  update(component) {
    this.component = component;
    const { data } = component;
    if (!this.root.isConnected) this.parent.append(this.root);
    const look = lookOf(this.parent, data.look);
    this.root.dataset.mode = look.mode;
    for (const [name, colour] of Object.entries(look.tokens)) this.root.style.setProperty(`--${name}`, colour);
    const told = JSON.stringify(data.filters);
    if (told !== this.told && told !== this.sent) this.#take(data.filters);
    this.told = told;
    const me = JSON.stringify(data.me);
    if (this.home !== data.home || this.shown !== data.shown || this.whoami !== me) {
      Object.assign(this, { home: data.home, shown: data.shown, whoami: me, me: data.me });
      this.#draw();
    }
    this.#ask(SOON);
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    tables.delete(this.parent);
    for (const timer of [this.timer, this.typing, this.undoing]) clearTimeout(timer);
    document.removeEventListener("visibilitychange", this.onVisible);
    this.root.remove();
  }

  // -- the page ----------------------------------------------------------------------------------------------------------

  #build() {
    const changed = () => this.#filter();
    this.search = el("input.lab-input.runs-search", { type: "search", maxlength: 200, placeholder: "Name, id, task or setting", "aria-label": "Search the runs", oninput: changed });
    this.whose = el("select.lab-select", { "aria-label": "Whose runs to show", onchange: changed }, ...WHOSE.map(([value, words]) => el("option", { value }, words)));
    this.state = el("select.lab-select", { "aria-label": "Show runs in this state", onchange: changed }, ...STATES.map(([value, words]) => el("option", { value }, words)));
    this.of = el("select.lab-select", { "aria-label": "Show runs of this task", onchange: changed }, el("option", { value: "" }, "All tasks"));
    this.count = el("span.lab-label", { role: "status" });
    this.queue = el("p.runs-queue.lab-label");
    this.buttons = ACTIONS.map((action) => el("button.lab-button", { type: "button", "data-action": action.name, onclick: () => this.#press(action) }, action.label));
    this.tally = el("span.runs-tally.lab-label", {});
    this.undo = el("p.runs-undo", { role: "status", hidden: true });
    this.all = el("input", { type: "checkbox", "aria-label": "Choose all runs that are listed", onchange: () => this.#chooseAll() });
    this.heads = COLUMNS.map((column) => {
      const button = el("button.runs-sort", { type: "button", onclick: () => this.#sortBy(column.name) }, column.label);
      return el("th", { scope: "col", "data-column": column.name }, column.compare ? button : column.label);
    });
    this.body = el("tbody", { onkeydown: (event) => this.#key(event) });
    this.table = el("table.runs-table", { "aria-label": "Runs" }, el("thead", {}, el("tr", {}, el("th.runs-check", { scope: "col" }, this.all), ...this.heads)), this.body);
    this.nothing = el("p.runs-nothing", { hidden: true });
    this.more = el("button.lab-button.runs-more", { type: "button", hidden: true, onclick: () => this.#showMore() });
    this.root = rootOf(
      "div.lab-board.lab-runs",
      { "data-mode": "light" },
      el("div.runs-top", {}, el("div.runs-bar", {}, this.search, this.whose, this.state, this.of, this.count), el("div.runs-bar.runs-actions", { role: "group", "aria-label": "What to do with the chosen runs" }, ...this.buttons, this.tally)),
      this.queue,
      this.undo,
      this.table,
      this.nothing,
      this.more,
    );
    this.parent.append(this.root);
  }

  // -- what the server says ----------------------------------------------------------------------------------------------

  #ask(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#fetch(), delay);
  }

  async #fetch() {
    if (document.hidden || this.closed) return;
    if (this.asking) return this.#ask(SOON);
    this.asking = true;
    let next = POLL;
    try {
      const { base } = this.component?.data ?? { base: "/lab" };
      const answer = await fetch(`${base}/runs?epoch=${this.epoch}&after=${this.at}`);
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.message);
      this.#hear(told);
      if (told.more) next = SOON;
    } catch (error) {
      setText(this.queue, `The list cannot be read at the moment; trying again. ${error instanceof TypeError ? "" : error.message}`);
    } finally {
      this.asking = false;
      if (!this.closed) this.#ask(next);
    }
  }

  #hear(told) {
    if (told.epoch !== this.epoch) this.known.clear();
    Object.assign(this, { epoch: told.epoch, at: told.at, waiting: new Map(told.waiting.map(([id, ...words]) => [id, words])), engine: told.engine, now: told.now });
    for (const row of told.rows) this.known.set(row.id, row);
    for (const id of told.gone) this.known.delete(id);
    const tasks = new Map([...this.known.values()].map((row) => [row.task, row.task_title]));
    const offered = [...tasks].sort((a, b) => a[1].localeCompare(b[1]));
    if (String(offered) !== this.offered) {
      this.offered = String(offered);
      this.of.replaceChildren(this.of.firstChild, ...offered.map(([value, words]) => el("option", { value }, words)));
      this.of.value = tasks.has(this.filters.of) ? this.filters.of : "";
    }
    this.#draw();
  }

  // -- what is shown -----------------------------------------------------------------------------------------------------

  /** Nobody meets an empty list who has begun nothing yet. */
  #own() {
    const any = [...this.known.values()].some((row) => row.deleted === null && mine(row, this.me));
    this.whose.disabled = !any;
    setAttribute(this.whose, "title", any ? null : "You have no runs here yet.");
    const own = any && this.filters.whose !== "all";
    this.whose.value = own ? "" : "all";
    return own;
  }

  #found() {
    const { search, state, of } = this.filters;
    const own = this.#own();
    const parts = search.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = STATES.find(([value]) => value === state)?.[2] ?? STATES[0][2];
    const found = [...this.known.values()].filter((row) => {
      if ((own && !mine(row, this.me)) || !fits(row) || (of && row.task !== of)) return false;
      const text = `${row.name ?? ""} ${row.id} ${row.words} ${row.status}`.toLowerCase();
      return parts.every((part) => text.includes(part));
    });
    const { compare } = COLUMNS.find((column) => column.name === this.sort.by);
    const sign = this.sort.down ? -1 : 1;
    return found.sort((a, b) => sign * compare(a, b) || b.created - a.created || (a.id < b.id ? -1 : 1));
  }

  #draw() {
    if (!this.epoch || !this.component) return;
    const found = this.#found();
    const shown = found.slice(0, this.limit);
    const ids = new Set(found.map((row) => row.id));
    for (const id of this.chosen) if (!ids.has(id)) this.chosen.delete(id); // nobody acts on what he does not see
    const wanted = new Set(shown.map((row) => row.id));
    for (const [id, row] of this.rows) if (!wanted.has(id)) row.node.remove(), this.rows.delete(id);
    const context = { chosen: this.chosen, home: this.home, shown: this.shown, waiting: this.waiting, engine: this.engine, now: this.now };
    shown.forEach((told, place) => {
      if (!this.rows.has(told.id)) this.rows.set(told.id, new Row(told.id, this.#events(told.id)));
      const row = this.rows.get(told.id);
      row.take(told, context);
      if (this.body.children[place] !== row.node) this.body.insertBefore(row.node, this.body.children[place] ?? null);
    });
    this.#rove();
    this.#furnish(found, shown);
  }

  #furnish(found, shown) {
    const present = [...this.known.values()].filter((row) => row.deleted === null);
    setText(this.count, `${found.length === present.length ? "" : `${count(found.length)} of `}${count(present.length)} ${present.length === 1 ? "run" : "runs"}`);
    for (const head of this.heads) setAttribute(head, "aria-sort", head.dataset.column === this.sort.by ? (this.sort.down ? "descending" : "ascending") : null);
    const rest = found.length - shown.length;
    this.more.hidden = rest <= 0;
    setText(this.more, `Show ${count(Math.min(rest, FEW))} more of ${count(rest)}`);
    this.nothing.hidden = found.length > 0;
    setText(this.nothing, this.#whyNothing(present));
    this.#queue(present);
    this.#tools(found);
  }

  #whyNothing(present) {
    if (this.filters.state === "deleted") return "Nothing was deleted in the last 24 hours. After that a deleted run is removed for good.";
    if (!present.length) return "There are no runs yet. Press Train in the Lab to begin one.";
    return `No run fits. Search for fewer words, or choose all states and all tasks${this.whose.value === "" ? ", or everybody’s runs" : ""}.`;
  }

  /** Who is being trained, and who is next. */
  #queue(present) {
    const running = present.filter((row) => row.status === "running").length;
    const next = [...this.waiting.keys()].map((id) => this.known.get(id)).filter((row) => row && row.status !== "running");
    const own = next.filter((row) => mine(row, this.me));
    const whose = own.length && own.length < next.length ? `, ${count(own.length)} of them yours` : "";
    const first = own.length ? ` ${quoted(own[0])} is ${this.waiting.get(own[0].id)[1]}.` : "";
    const waits = next.length ? `${count(next.length)} waiting${whose}.${first}` : "none waiting.";
    const starting = this.engine === "starting" ? "The workers are starting. " : "";
    setText(this.queue, `${starting}${running ? count(running) : "None"} running, ${waits}`);
    setAttribute(this.queue, "title", own.map((row) => `${row.name ?? row.title}: ${this.waiting.get(row.id)[1]}`).join("\n") || null);
  }

  #tools(found) {
    const chosen = found.filter((row) => this.chosen.has(row.id));
    this.all.checked = chosen.length > 0 && chosen.length === found.length;
    this.all.indeterminate = chosen.length > 0 && chosen.length < found.length;
    setText(this.tally, chosen.length ? `${count(chosen.length)} chosen` : "Choose runs by their boxes, or press a name to open it in the Lab.");
    const thrown = this.filters.state === "deleted";
    ACTIONS.forEach((action, place) => {
      const button = this.buttons[place];
      const why = applies(action, chosen, this.me);
      button.hidden = Boolean(action.thrown) !== thrown;
      button.disabled = why !== "";
      setAttribute(button, "title", why || action.help);
    });
  }

  // -- what a person does ------------------------------------------------------------------------------------------------

  #take(filters) {
    this.filters = { ...this.filters, ...filters };
    this.search.value = this.filters.search;
    this.state.value = STATES.some(([value]) => value === this.filters.state) ? this.filters.state : "";
    this.of.value = this.filters.of;
    this.#draw();
  }

  #filter() {
    const whose = this.whose.disabled ? this.filters.whose : this.whose.value;
    this.filters = { whose, search: this.search.value, state: this.state.value, of: this.of.value };
    this.limit = FEW;
    this.#draw();
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.sent = JSON.stringify(this.filters);
      this.#send({ name: "filter", ...this.filters });
    }, TYPING);
  }

  #sortBy(name) {
    this.sort = { by: name, down: this.sort.by === name ? !this.sort.down : name === "age" };
    this.#draw();
  }

  #showMore() {
    this.limit += FEW;
    this.#draw();
  }

  #chooseAll() {
    const found = this.#found();
    this.chosen = new Set(this.all.checked ? found.map((row) => row.id) : []);
    this.#draw();
  }

  #events(id) {
    return {
      choose: (on) => (on ? this.chosen.add(id) : this.chosen.delete(id), this.#draw()),
      open: () => this.#send({ name: "open", runs: [id] }),
      rename: (value) => this.#send({ name: "rename", runs: [id], value }),
    };
  }

  #press(action) {
    const runs = [...this.chosen].filter((id) => this.known.has(id));
    if (action.name === "rename") return this.rows.get(runs[0])?.edit();
    this.#send({ name: action.name, runs });
    if (action.name === "delete") this.#offerBack(runs);
    if (action.name === "delete" || action.name === "restore" || action.name === "remove") this.chosen.clear();
    this.#draw();
  }

  /** What was deleted by mistake comes back with one press. */
  #offerBack(runs) {
    const named = runs.length === 1 ? quoted(this.known.get(runs[0])) : `${count(runs.length)} runs`;
    const back = () => {
      this.#send({ name: "restore", runs });
      this.undo.hidden = true;
      this.search.focus();
    };
    const button = el("button.lab-button", { type: "button", onclick: back }, "Undo");
    this.undo.replaceChildren(`Deleted ${named}. `, button, ` Under “Deleted” ${runs.length === 1 ? "it" : "they"} can be had back for 24 hours.`);
    this.undo.hidden = false;
    button.focus();
    clearTimeout(this.undoing);
    this.undoing = setTimeout(() => (this.undo.hidden = true), UNDO);
  }

  #send(action) {
    this.component.setTriggerValue("action", action);
    this.#ask(SOON);
  }

  /** One row at a time takes the tabulator; the arrows go up and down. */
  #rove() {
    const rows = [...this.rows.values()].filter((row) => row.node.isConnected);
    const here = rows.find((row) => row.node.contains(document.activeElement)) ?? rows.find((row) => row.reachable) ?? [...this.body.children].map((node) => node.row)[0];
    for (const row of rows) row.reach(row === here);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const { row } = event.target.closest("tr") ?? {};
    if (!step || !row || event.target.type === "text") return;
    event.preventDefault();
    const nodes = [...this.body.children];
    const place = Math.max(0, Math.min(nodes.length - 1, nodes.indexOf(row.node) + step));
    for (const each of this.rows.values()) each.reach(each === nodes[place].row);
    nodes[place].row.focus(event.target.type === "checkbox");
  }
}

