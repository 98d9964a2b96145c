/** Panels that are read and not looked at: what the network answers on the chosen sample, or what it writes. */

import { classes, signs, value, written } from "./answering.js";
import { el, icon, setAttribute, setText } from "./dom.js";
import { Fixed } from "./fixed.js";
import { Confusion, Gallery } from "./gallery.js";
import { length } from "./marks.js";
import { Panel } from "./panel.js";
import { sketch } from "./sketch.js";
import { number, percent } from "./text.js";

const MOST_BARS = 10;

export class WordsPanel extends Panel {
  /** @param {any} spec @param {any} context as for maps */
  constructor(spec, context) {
    super(spec);
    this.context = context;
    const { about } = context;
    const View = VIEWS[spec.id] ?? (about.answering !== "sequence" ? Signs : about.answers ? Classes : Value);
    this.view = new View(context, this.options, this.switches);
    this.picture.setAttribute("role", "group");
    this.picture.append(this.view.node);
    this.view.node.tabIndex = 0; // it may scroll, also by keyboard
  }

  draw({ arrays }) {
    const { about } = this.context;
    this.view.draw(about, about.samples?.[this.context.sample()], arrays);
    return true;
  }
}

/** The input as a person reads it: a picture of numbers, or the marks. */
class Input {
  constructor() {
    this.node = el("div.lab-input-read");
  }

  show(sample) {
    if (sample === this.shown) return;
    this.shown = sample;
    const marks = sample ? sample.marks.slice(0, length(sample.marks)) : [];
    const spaced = marks.some((mark) => mark.length > 1) ? " " : "";
    const drawn = sample?.values && !sample.keys ? sketch(sample) : null;
    const text = sample?.values && sample.keys ? sample.title : marks.join(spaced || "\u200a");
    this.node.replaceChildren(el("span.lab-label", {}, "input"), drawn ?? el("span.lab-tokens", {}, drawn ? "" : text));
  }
}

/** Right or wrong, by a sign, a word and a colour. */
class Verdict {
  constructor() {
    this.words = el("span");
    this.node = el("p.lab-verdict", {}, this.words);
  }

  show(correct, words) {
    if (this.correct !== correct) {
      this.correct = correct;
      this.mark?.remove();
      this.mark = correct === null ? null : icon(correct ? "right" : "wrong");
      if (this.mark) this.node.prepend(this.mark);
      setAttribute(this.node, "data-right", correct === null ? null : String(correct));
    }
    setText(this.words, words);
  }
}

/** One answer among classes: how much of its belief the network gives to each. */
class Classes {
  constructor() {
    this.input = new Input();
    this.verdict = new Verdict();
    this.bars = el("div.lab-bars");
    this.node = el("div.lab-words", {}, this.input.node, this.verdict.node, this.bars);
    this.rows = new Map();
  }

  draw(about, sample, arrays) {
    this.input.show(sample);
    const found = classes(about, sample, arrays);
    if (!found) return this.#empty(sample);
    const { shares, said, right, correct } = found;
    const answer = about.answers[said];
    this.verdict.show(correct, correct ? `answers ${answer}, which is right` : `answers ${answer}; right is ${sample.target}`);
    const shown = chosen(shares, right);
    const key = shown.map((k) => about.answers[k]).join("\n");
    if (key !== this.key) {
      this.key = key;
      this.rows = new Map(shown.map((k) => [k, bar(about.answers[k])]));
      this.bars.replaceChildren(...[...this.rows.values()].map((row) => row.node));
      this.bars.style.setProperty("--rows", Math.ceil(shown.length / (shown.length > 4 ? 2 : 1)));
    }
    for (const [k, row] of this.rows) {
      row.fill.style.width = `${(shares[k] * 100).toFixed(1)}%`;
      setText(row.share, percent(shares[k]));
      row.node.classList.toggle("said", k === said);
      setText(row.note, k === right ? "right" : "");
    }
  }

  #empty(sample) {
    this.verdict.show(null, sample ? `right is ${sample.target}` : "");
    for (const row of this.rows.values()) {
      row.fill.style.width = "0";
      setText(row.share, "");
    }
  }
}

/** The classes to show: all of a few, else the likeliest and the right one. */
function chosen(shares, right) {
  const all = shares.map((_, k) => k);
  if (all.length <= MOST_BARS) return all;
  const likely = [...all].sort((a, b) => shares[b] - shares[a]).slice(0, MOST_BARS);
  if (right >= 0 && !likely.includes(right)) likely[MOST_BARS - 1] = right;
  return likely.sort((a, b) => a - b);
}

function bar(name) {
  const fill = el("i.lab-fill");
  const share = el("span.lab-share");
  const note = el("span.lab-label");
  const node = el("div.lab-bar", {}, el("span.lab-class", { title: name }, name), el("span.lab-track", { "aria-hidden": "true" }, fill), share, note);
  return { node, fill, share, note };
}

/** One answer that is a number, beside the truth. */
class Value {
  constructor() {
    this.input = new Input();
    this.truth = el("strong");
    this.answer = el("strong");
    this.off = el("span.lab-label");
    const line = (name, ...parts) => el("div.lab-value", {}, el("span.lab-label", {}, name), ...parts);
    this.node = el("div.lab-words", {}, this.input.node, line("right", this.truth), line("answer", this.answer, this.off));
  }

  draw(about, sample, arrays) {
    this.input.show(sample);
    const found = value(about, sample, arrays);
    setText(this.truth, sample?.target ?? "");
    setText(this.answer, found ? found.words : "–");
    setText(this.off, found ? `off by ${number(found.off)}` : "");
  }
}

/** Several answers: under each token what is right and what is answered. */
class Signs {
  constructor() {
    this.node = el("div.lab-words.lab-cells");
    this.cells = [];
  }

  draw(about, sample, arrays) {
    const found = signs(about, sample, arrays);
    if (this.sample !== sample) this.#furnish(sample, found);
    found?.cells.forEach(({ said, right, sure, wrong }, k) => {
      const cell = this.cells[k];
      setText(cell.said, said || (right ? "–" : ""));
      cell.node.classList.toggle("wrong", wrong);
      setAttribute(cell.node, "title", said && (wrong ? `answers ${said}, right is ${right}` : `answers ${said}, which is right`) + `, ${percent(sure)} sure`);
    });
  }

  #furnish(sample, found) {
    this.sample = sample;
    this.cells = (found?.cells ?? []).map(({ input, right }) => {
      const said = el("span.lab-said");
      return { said, node: el("div.lab-cell", {}, el("span.lab-token", {}, input || "\u00a0"), el("span.lab-true", {}, right || "\u00a0"), said) };
    });
    const names = el("div.lab-cell.lab-names", {}, el("span.lab-token", {}, "input"), el("span.lab-true", {}, "right"), el("span.lab-said", {}, "answer"));
    this.node.replaceChildren(names, ...this.cells.map((cell) => cell.node));
  }
}

/** A text that goes on from a given beginning; the viewer chooses how daring it is. */
class Written {
  constructor(context, options) {
    this.context = context;
    this.prompt = el("span.lab-prompt");
    this.text = el("span");
    this.node = el("div.lab-words.lab-written", {}, this.prompt, this.text);
    const { temperatures } = context.about.generation;
    const choices = (context.choices.text ??= {});
    const usual = temperatures.reduce((best, t, k) => (Math.abs(t - 0.7) < Math.abs(temperatures[best] - 0.7) ? k : best), 0);
    this.row = Math.min(choices.temperature ?? usual, temperatures.length - 1);
    this.select = el("select.lab-select", { "aria-label": "Temperature", title: "Low: only what is likely. High: more is dared." });
    this.select.append(...temperatures.map((t, k) => el("option", { value: k, selected: k === this.row }, `temperature ${t}`)));
    this.select.addEventListener("change", () => {
      this.row = choices.temperature = Number(this.select.value);
      context.wake();
    });
    options.append(this.select);
  }

  draw(about, _sample, arrays) {
    setText(this.prompt, about.generation.prompt);
    setText(this.text, written(about, arrays, this.row) ?? "");
  }
}

/** What shows a panel; an answer is shown as what it is. */
const VIEWS = { confusion: Confusion, fixed: Fixed, gallery: Gallery, text: Written };
