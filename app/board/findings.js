/** Findings in words: each with its number, the panel that proves it, and a next experiment one click away. */

import { el, setAttribute } from "./dom.js";
import { Panel } from "./panel.js";

const PAUSE = 2500; // ms between two questions about a run that goes on
const TONES = { bad: "to mend", warn: "to watch", good: "reached", note: "to know" };
const FLASH = 1600; // ms for which a panel that was pointed at is marked

/** What is found about the run on the board; asks the server when the run has moved on. */
export class Findings {
  /** @param {string} base @param {() => void} changed */
  constructor(base, changed) {
    this.base = base;
    this.changed = changed;
    this.watch(null);
  }

  watch(run) {
    this.run = run;
    this.state = this.found = this.asked = null;
    clearTimeout(this.later);
    this.later = null;
  }

  /** The run stands so now: ask, at once where it is over, else now and then. @param {any} state the last state message */
  update(state) {
    this.state = state;
    if (!state || !this.run) return;
    const key = [state.run, state.revision, state.seq, state.status].join();
    if (key === this.asked || this.later) return;
    const wait = this.found && state.status === "running" ? PAUSE : 0;
    this.later = setTimeout(() => this.#ask(key), wait);
  }

  async #ask(key) {
    const run = this.run;
    try {
      const answer = await fetch(`${this.base}/runs/${encodeURIComponent(run)}/findings`);
      if (!answer.ok) throw new Error(answer.statusText);
      const { findings } = await answer.json();
      if (run !== this.run) return;
      this.asked = key;
      this.found = findings;
      this.changed();
    } catch {
      // the live line is down as well and comes back with a state message
    } finally {
      if (run === this.run) {
        this.later = null;
        if (this.asked === key) this.update(this.state); // it may have moved on meanwhile
      }
    }
  }

  close() {
    this.watch(null);
  }
}

/** Go to a panel and mark it for a moment. */
export function show(node) {
  node.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "center" });
  node.classList.add("pointed");
  setTimeout(() => node.classList.remove("pointed"), FLASH);
  const picture = node.querySelector(".lab-picture");
  if (picture && picture.tabIndex < 0) picture.tabIndex = -1;
  picture?.focus({ preventScroll: true });
}

/** The button that begins the next experiment of a finding, or null. */
function experiment({ experiment: next }, { refused: why, act }) {
  if (!next) return null;
  const refused = why();
  const button = el("button.lab-button.lab-try", { type: "button", title: refused || `A new run with ${next.changes.join("; ")}`, disabled: Boolean(refused) }, `Try: ${next.title}`);
  button.addEventListener("click", () => act("try", { settings: next.settings }));
  return button;
}

/** The most important finding in one line below the buttons; its place is kept, so that nothing moves when it comes. */
export class Headline {
  /** `refused` says why nothing may be begun from here. @param {{refused: () => string, act: (name: string, more: any) => void, goto: (panel: string) => void}} context */
  constructor(context) {
    this.context = context;
    this.node = el("div.lab-finding");
    this.show(null);
  }

  /** @param {any[]|null} found */
  show(found) {
    const text = JSON.stringify([found, this.context.refused()]);
    if (text === this.shown) return;
    this.shown = text;
    const first = found?.[0];
    setAttribute(this.node, "data-tone", first?.tone ?? "none");
    if (!first) return this.node.replaceChildren(el("span.lab-why", {}, found ? "Nothing stands out yet." : ""));
    const { goto } = this.context;
    const all = el("button.lab-more", { type: "button", title: "All findings", onclick: () => goto("findings") }, found.length > 1 ? `${found.length} findings` : "1 finding");
    const why = el("button.lab-why", { type: "button", title: `${first.sentence} Press to see the panel that shows it.`, onclick: () => goto(first.panel) }, first.sentence);
    this.node.replaceChildren(el("span.lab-dot", { "aria-hidden": "true" }), why, ...[experiment(first, this.context), all].filter(Boolean));
  }
}

/** All findings. */
export class FindingsPanel extends Panel {
  /** @param {any} spec @param {any} context as for lines, with `findings()`, `refused()`, `act()`, `goto()`, `titleOf()` */
  constructor(spec, context) {
    super(spec);
    this.context = context;
    this.list = el("ol.lab-words.lab-findings", { tabindex: 0 });
    this.picture.setAttribute("role", "group");
    this.picture.replaceChildren(this.list);
  }

  draw() {
    const found = this.context.findings();
    const text = JSON.stringify([found, this.context.refused()]);
    if (text === this.shown) return false;
    this.shown = text;
    this.list.replaceChildren(...(found ?? []).map((finding) => this.#item(finding)));
    if (found && !found.length) this.list.replaceChildren(el("li.lab-none", {}, "No rule finds anything that stands out."));
    return true;
  }

  #item(finding) {
    const { goto, titleOf } = this.context;
    const title = titleOf(finding.panel);
    const link = title && el("button.lab-more", { type: "button", title: "Go to the panel that shows it", onclick: () => goto(finding.panel) }, `See: ${title}`);
    return el(
      "li.lab-item",
      { "data-tone": finding.tone, "data-finding": finding.id },
      el("div.lab-figure", {}, el("span.lab-dot", { "aria-hidden": "true" }), el("span.lab-tone", {}, TONES[finding.tone]), el("strong", {}, finding.number), el("span.lab-label", {}, finding.label)),
      el("p", {}, finding.sentence),
      el("div.lab-next", {}, ...[experiment(finding, this.context), link].filter(Boolean)),
    );
  }
}

/** What the panel says of itself. @param {any[]|null} found */
export function summary(found) {
  if (!found) return { number: "–", label: "findings", sentence: "What the run shows, in words, with what to try next." };
  const sentence =
    {
      bad: "The first one is where to begin: it comes before what follows from it.",
      good: "The task is solved.",
      warn: "Nothing is certain yet; what is to watch may keep the run from learning.",
      note: "Nothing here keeps the run from learning.",
    }[found[0]?.tone] ?? "No rule finds anything that stands out.";
  return { number: String(found.length), label: found.length === 1 ? "finding" : "findings", sentence };
}
