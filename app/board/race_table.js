/** The results as a table that can be sorted: one row for each value, or one for each run. */

import { el, setAttribute, setText } from "./dom.js";
import { count, duration, number, power } from "./text.js";

const NONE = "–";

/** @typedef {{name: string, help: string, sort: (row: any) => any, show: (row: any) => (string|Node)[], when?: (about: any) => boolean, left?: boolean}} Column */

export class Table {
  /** @param {{pick: (run: string) => void, point: (run: string|null) => void, colour: (value: number) => string}} page */
  constructor(page) {
    this.page = page;
    this.each = "value";
    this.order = { value: null, run: null };
    this.modes = ["value", "run"].map((each) => {
      const button = el("button.lab-chip.lab-option", { type: "button", "aria-pressed": String(each === this.each) }, each === "value" ? "by value" : "by run");
      button.addEventListener("click", () => this.#turn(each));
      return button;
    });
    this.head = el("tr");
    this.body = el("tbody");
    this.note = el("p.lab-note");
    const box = el("div.race-scroll", { tabindex: 0, role: "region", "aria-label": "Results, a table" }, el("table.race-table", {}, el("thead", {}, this.head), this.body));
    this.node = el(
      "section.race-results",
      { "aria-label": "Results" },
      el("header.lab-head", {}, el("h3.lab-title", {}, "Results"), el("div.lab-options", { role: "group", "aria-label": "Rows" }, ...this.modes)),
      box,
      this.note,
    );
  }

  #turn(each) {
    this.each = each;
    for (const [k, mode] of this.modes.entries()) setAttribute(mode, "aria-pressed", String(["value", "run"][k] === each));
    this.drawn = null;
    this.show(this.about);
  }

  show(about) {
    this.about = about;
    if (!about) {
      this.drawn = null;
      this.head.replaceChildren();
      this.body.replaceChildren();
      setText(this.note, "");
      return;
    }
    const columns = (this.each === "value" ? this.#ofValues(about) : this.#ofRuns(about)).filter((column) => column.when?.(about) ?? true);
    const shape = JSON.stringify([this.each, columns.map((column) => column.name), this.order[this.each]]);
    if (shape !== this.drawn) this.#heads(columns);
    this.drawn = shape;
    this.#rows(columns, [...(this.each === "value" ? about.rows : about.runs)]);
    const gone = about.missing ? ` ${count(about.missing)} of its runs ${about.missing === 1 ? "was" : "were"} deleted.` : "";
    const means = this.each === "value" ? "Each number is the median over the seeds, with the least and the greatest beside it. " : "";
    setText(this.note, `${means}Seconds are those of training, in proportion to the steps.${gone}`);
    this.light(this.lit, this.selected);
  }

  /** Light the row of a run, and tell which one is chosen. */
  light(lit, selected) {
    this.lit = lit;
    this.selected = selected;
    for (const row of this.body.children) {
      setAttribute(row, "data-lit", row.dataset.run === lit ? "" : null);
      setAttribute(row, "aria-current", selected !== null && row.dataset.run === selected ? "true" : null);
    }
  }

  #heads(columns) {
    const order = this.order[this.each];
    this.head.replaceChildren(
      ...columns.map(({ name, help, left }) => {
        const way = order?.name === name ? (order.down ? "descending" : "ascending") : "none";
        const button = el("button.race-sort", { type: "button", title: help }, name, el("span.race-way", { "aria-hidden": "true" }, { ascending: "▲", descending: "▼", none: "" }[way]));
        button.addEventListener("click", () => {
          this.order[this.each] = { name, down: order?.name === name ? !order.down : false };
          this.show(this.about);
          this.head.querySelectorAll("button")[columns.findIndex((one) => one.name === name)].focus();
        });
        return el(left ? "th.race-left" : "th", { scope: "col", "aria-sort": way }, button);
      }),
    );
  }

  #rows(columns, rows) {
    const order = this.order[this.each];
    const column = columns.find((one) => one.name === order?.name);
    if (column) rows.sort((a, b) => compare(column.sort(a), column.sort(b), order.down));
    const made = rows.map((row) => this.#row(columns, row));
    for (let k = 0; k < made.length; k++) {
      const there = this.body.children[k];
      if (!there) this.body.append(made[k]);
      else if (there.dataset.run !== made[k].dataset.run || there.outerHTML.replace(LIT, "") !== made[k].outerHTML.replace(LIT, "")) there.replaceWith(made[k]);
    }
    while (this.body.children.length > made.length) this.body.lastChild.remove();
  }

  #row(columns, row) {
    const cells = columns.map(({ show, left }, k) => el(k ? (left ? "td.race-left" : "td") : "th.race-left", k ? {} : { scope: "row" }, ...show(row)));
    const node = el("tr", row.run ? { "data-run": row.run, tabindex: 0 } : {}, ...cells);
    if (row.run) {
      node.addEventListener("click", (event) => event.target.closest("a") || this.page.pick(row.run));
      node.addEventListener("keydown", (event) => {
        if (event.target !== node || !["Enter", " "].includes(event.key)) return;
        event.preventDefault();
        this.page.pick(row.run);
      });
      node.addEventListener("pointerenter", () => this.page.point(row.run));
      node.addEventListener("pointerleave", () => this.page.point(null));
    }
    return node;
  }

  /** @returns {Column[]} */
  #ofValues(about) {
    const median = (name) => (row) => row[name]?.[0] ?? null;
    return [
      { name: about.label, help: "What is varied", left: true, sort: (row) => about.values[row.value], show: (row) => [this.#swatch(row.value), about.values[row.value]] },
      { name: "solved", help: "Runs with 99 % right answers over 50 steps in a row", when: ({ share }) => share, sort: (row) => (row.runs ? row.solved / row.runs : null), show: (row) => [`${row.solved} of ${row.runs}`] },
      { name: "steps until solved", help: "The last of those 50 steps", when: ({ share }) => share, sort: median("steps"), show: (row) => spread(row.steps, count) },
      { name: "seconds until solved", help: "Seconds of training until then", when: ({ share }) => share, sort: median("seconds"), show: (row) => spread(row.seconds, duration) },
      ...this.#shared(about, median, (value) => (row) => spread(row[value], number), (value) => (row) => spread(row[value], power)),
      { name: "still running", help: "Runs that are neither over nor solved", sort: (row) => row.open, show: (row) => [row.open ? count(row.open) : NONE] },
      { name: "failed", help: "Runs that ended because something was no number any more", when: ({ state }) => state.failed > 0, sort: (row) => row.failed, show: (row) => [row.failed ? count(row.failed) : NONE] },
    ];
  }

  /** @returns {Column[]} */
  #ofRuns(about) {
    const plain = (value, words) => (row) => [row[value] === null ? NONE : words(row[value])];
    return [
      { name: about.label, help: "What is varied", left: true, sort: (row) => about.values[row.value], show: (row) => [this.#swatch(row.value), about.values[row.value]] },
      { name: "seed", help: "Decides the data and the first weights", sort: (row) => row.seed, show: (row) => [el("a", { href: `/?run=${encodeURIComponent(row.run)}`, target: "_blank", title: "Open this run in the Lab" }, String(row.seed))] },
      { name: "state", help: "What the run does", left: true, sort: (row) => row.status, show: (row) => [row.status] },
      { name: "step", help: "The last step measured", sort: (row) => row.step, show: (row) => [row.step < 0 ? NONE : count(row.step)] },
      { name: "solved at step", help: "The last of 50 steps in a row with 99 % right answers", when: ({ share }) => share, sort: (row) => row.solved, show: plain("solved", count) },
      { name: "seconds until solved", help: "Seconds of training until then", when: ({ share }) => share, sort: (row) => row.seconds, show: plain("seconds", duration) },
      ...this.#shared(about, (value) => (row) => row[value], (value) => plain(value, number), (value) => plain(value, power)),
    ];
  }

  #shared({ metric }, sort, exact, size) {
    return [
      { name: `${metric}, validation`, help: "As last measured while training", sort: sort("final"), show: exact("final") },
      { name: `${metric}, test`, help: "Measured once at the end, with the best weights", sort: sort("test"), show: exact("test") },
      { name: "gradient first ÷ last, step 0", help: "How much of the gradient at the last input reaches the first one, before training", sort: sort("before"), show: size("before") },
      { name: "now", help: "The same at the newest snapshot", sort: sort("after"), show: size("after") },
    ];
  }

  #swatch(value) {
    const mark = el("span.lab-swatch", { "aria-hidden": "true" });
    mark.style.setProperty("--colour", this.page.colour(value));
    return mark;
  }
}

const LIT = / (data-lit|aria-current)="[^"]*"/g;

function spread(values, words) {
  if (!values) return [NONE];
  const [middle, low, high] = values.map(words);
  return low === high ? [middle] : [middle, el("span.race-spread", {}, `${low} – ${high}`)];
}

/** What is not known comes last, whichever way. */
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  return down ? -order : order;
}
