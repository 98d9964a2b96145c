/** What the network says to a row of fixed validation samples, and which class it takes for which. */

import { el, icon, setAttribute, setText } from "./dom.js";
import { length, spoken } from "./marks.js";
import { sketch } from "./sketch.js";
import { count, number, percent } from "./text.js";

const TURN = 1500; // ms between two changes of the order while the run goes on
const TOLD = 2; // wrong steps that are told of one sample

/**
 * What is said to each sample of the gallery, and whether that is right.
 * @returns {{said: string, right: string, sure: number, share: number, off: number}[]|null} `share`: of its steps that
 *   are right, 1 for an answer that is right; `off`: how far a number is from the right one
 */
export function judged(about, arrays) {
  const { gallery } = about;
  const answers = arrays?.get("gallery/answer");
  const numbers = arrays?.get("gallery/prediction")?.data;
  if (!gallery || !(answers || numbers)) return null;
  if (numbers) {
    const [zero, one] = about.scale ?? [0, 1];
    return gallery.map((sample, k) => {
      const decimals = /\.(\d+)/.exec(sample.target)?.[1].length ?? 0;
      const value = zero + numbers[k] * (one - zero);
      const off = Math.abs(value - parseFloat(sample.target.replace("−", "-")));
      return { said: `${value.toFixed(decimals)} ${about.metric_unit ?? ""}`.trim().replace("-", "−"), right: sample.target, sure: NaN, share: NaN, off };
    });
  }
  const sure = arrays.get("gallery/confidence").data;
  const wide = answers.shape[1] ?? 1;
  return gallery.map((sample, k) => {
    const name = (step) => about.answers?.[answers.data[k * wide + step]] ?? "";
    if (!sample.targets) return { said: name(0), right: sample.target, sure: sure[k], share: Number(name(0) === sample.target), off: NaN };
    const asked = [...sample.targets.keys()].filter((step) => sample.targets[step]);
    const wrong = asked.filter((step) => name(step) !== sample.targets[step]);
    const words = about.answering === "decoded" ? joined(asked.map(name)) : wrong.slice(0, TOLD).map((step) => `${spoken(sample.marks[step] ?? step)} is ${name(step)}, not ${sample.targets[step]}`).join("; ");
    const right = about.answering === "decoded" ? joined(asked.map((step) => sample.targets[step])) : "";
    return { said: words, right, sure: sure[k], share: 1 - wrong.length / (asked.length || 1), off: NaN, asked: asked.length, wrong: wrong.length };
  });
}

/** Signs close together, words apart. */
const joined = (signs) => signs.map((sign) => (sign.length > 1 ? ` ${sign}` : sign)).join("\u200a").trim();

/** Cards, one for each sample. */
export class Gallery {
  constructor(context, _options, switches) {
    this.context = context;
    this.node = el("div.lab-words.lab-gallery");
    const choices = (context.choices.gallery ??= {});
    this.order = el("select.lab-select", { "aria-label": "Order of the samples" });
    const orders = { kept: "in their order", wrong: context.about.answers ? "wrong ones first" : "largest errors first" };
    this.order.append(...Object.entries(orders).map(([value, words]) => el("option", { value, selected: value === choices.order }, words)));
    this.order.addEventListener("change", () => {
      choices.order = this.order.value;
      this.turned = 0;
      context.wake();
    });
    switches.append(this.order);
  }

  draw(about, _sample, arrays) {
    if (this.gallery !== about.gallery) this.#furnish(about);
    const found = judged(about, arrays);
    this.cards.forEach((card, k) => card.show(found?.[k] ?? null, about));
    const now = performance.now();
    if (this.turned && now - this.turned < TURN) return;
    this.turned = now;
    const rank = (k) => (found ? (Number.isFinite(found[k].off) ? -found[k].off : found[k].share - (found[k].sure || 0) / 1000) : k);
    const places = this.cards.map((_, k) => k);
    if (this.order.value === "wrong" && found) places.sort((a, b) => rank(a) - rank(b));
    if (places.join() !== this.places) this.node.replaceChildren(...places.map((k) => this.cards[k].node));
    this.places = places.join();
  }

  #furnish(about) {
    this.gallery = about.gallery;
    this.cards = about.gallery.map((sample) => new Card(sample, about));
    this.places = "";
    this.turned = 0;
    this.node.dataset.pictures = String(this.cards.some((card) => card.drawn));
  }
}

/** One sample: what is read, what is said to it, and right or wrong by a sign, a word and a colour. */
class Card {
  constructor(sample, about) {
    this.drawn = Boolean(sample.values);
    const input = this.drawn ? sketch(sample) : el("span.lab-tokens", {}, ...tokens(sample, about));
    this.verdict = el("span.lab-verdict");
    this.words = el("span");
    this.said = el("span.lab-said-here");
    this.node = el("div.lab-card", {}, input, el("div.lab-judged", {}, this.verdict, this.said));
    this.verdict.append(this.words);
  }

  show(found, about) {
    const right = found && Number.isFinite(found.share) ? found.share === 1 : null;
    if (right !== this.right) {
      this.right = right;
      this.verdict.querySelector("svg")?.remove();
      if (right !== null) this.verdict.prepend(icon(right ? "right" : "wrong"));
      for (const node of [this.verdict, this.node]) setAttribute(node, "data-right", right === null ? null : String(right));
    }
    setText(this.words, found ? verdict(found, right) : "");
    setText(this.said, found ? told(found, right, about) : "");
  }
}

function verdict({ off, asked, wrong }, right) {
  if (Number.isFinite(off)) return `off by ${number(off)}`;
  if (asked && !right) return `${count(asked - wrong)} of ${count(asked)} right`;
  return right ? "right" : "wrong";
}

function told({ said, right: truth, sure, off, asked }, right, about) {
  if (Number.isFinite(off)) return `says ${said}, right is ${truth}`;
  const how = `${percent(sure)} sure`;
  if (about.answering === "steps") return right ? how : `${said}; ${how}`;
  return right ? `${said}, ${how}` : `says ${said}, ${how}${asked ? " on average" : ""}; right is ${truth}`;
}

/** The marks of a sample as text, those that decide marked; of marked numbers the title. */
function tokens(sample, about) {
  const marks = sample.marks.slice(0, length(sample.marks));
  if (sample.keys && about.gallery.every(({ marks: all }) => all.length <= 1)) return [sample.title];
  const keys = new Set(sample.keys ?? []);
  const gap = marks.some((mark) => mark.length > 1) ? " " : "\u200a";
  return marks.flatMap((mark, t) => [keys.has(t) ? el("mark", {}, mark) : mark, gap]);
}

/** Rows are right, columns are answered; the diagonal is right. */
export class Confusion {
  constructor(context) {
    this.context = context;
    this.node = el("div.lab-words.lab-confusion");
  }

  draw(about, _sample, arrays) {
    const found = arrays?.get("confusion");
    if (this.names !== about.answers) this.#furnish(about);
    const { palettes } = this.context;
    const palette = palettes().sequential;
    const size = about.answers.length;
    for (let right = 0; right < size; right++) {
      const row = Array.from({ length: size }, (_, said) => found?.data[right * size + said] ?? 0);
      const sum = row.reduce((total, each) => total + each, 0);
      row.forEach((times, said) => {
        const cell = this.cells[right * size + said];
        const share = sum ? times / sum : 0;
        setText(cell, found ? count(times) : "");
        const colour = palette[Math.round(share * 255)];
        cell.style.background = found && times ? `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})` : "";
        cell.style.color = found && times ? (share > 0.55 ? "#18222D" : "#FFFFFF") : "";
        setAttribute(cell, "title", found ? `right is ${about.answers[right]}, answered is ${about.answers[said]}: ${count(times)} of ${count(sum)}` : null);
      });
    }
  }

  #furnish(about) {
    this.names = about.answers;
    this.cells = [];
    const head = (name, scope) => el("th", { scope, title: name }, el("span", {}, name));
    const rows = about.answers.map((name) => {
      const cells = about.answers.map(() => el("td"));
      this.cells.push(...cells);
      return el("tr", {}, head(name, "row"), ...cells);
    });
    const columns = el("tr", {}, el("th.lab-corner", { scope: "row" }, "answer →\nright ↓"), ...about.answers.map((name) => head(name, "col")));
    this.node.style.setProperty("--rows", about.answers.length + 1);
    this.node.replaceChildren(el("table", {}, el("thead", {}, columns), el("tbody", {}, ...rows)));
  }
}
