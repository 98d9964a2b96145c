/** The line under everything: how far the run is, and the way back to every step that was kept. */

import { el, icon, setAttribute, setText } from "./dom.js";
import { count } from "./text.js";

export class Timeline {
  /**
   * @param {(step: number|null) => void} go to a kept step; null is live
   * @param {(step: number) => void} fork go on from a kept step in a new run
   */
  constructor(go, fork) {
    this.go = go;
    this.kept = [];
    this.at = null;
    this.slider = el("input.lab-slider", { type: "range", min: 0, max: 1, step: 1, value: 0, "aria-label": "Step shown on all panels", disabled: true });
    this.words = el("output.lab-at", {}, "");
    this.live = el("button.lab-button.lab-live", { type: "button", "aria-pressed": "true", title: "Follow the newest step (End)" }, el("span.lab-dot", { "aria-hidden": "true" }), "live");
    this.fork = el("button.lab-button.lab-fork", { type: "button", "aria-label": "Fork here" }, icon("fork"), el("span.lab-word", {}, "Fork here"));
    this.fork.addEventListener("click", () => fork(this.at ?? this.kept.at(-1)));
    this.slider.addEventListener("input", () => this.to(this.nearest(Number(this.slider.value))));
    this.live.addEventListener("click", () => this.to(null));
    this.node = el("div.lab-timeline", { role: "group", "aria-label": "Timeline" }, this.slider, this.words, this.live, this.fork);
  }

  nearest(step) {
    let best = null;
    for (const kept of this.kept) if (best === null || Math.abs(kept - step) <= Math.abs(best - step)) best = kept;
    return best;
  }

  to(step) {
    this.at = step;
    this.#show();
    this.go(step);
  }

  /** One kept step back (−1) or forth (+1); beyond the newest is live again. */
  move(by) {
    if (!this.kept.length) return;
    const here = this.at === null ? this.kept.length : this.kept.indexOf(this.nearest(this.at));
    const next = here + by;
    if (this.at === null && by < 0) this.to(this.kept[Math.max(0, this.kept.length - 2)]);
    else if (next >= this.kept.length) this.to(null);
    else this.to(this.kept[Math.max(0, next)]);
  }

  first() {
    if (this.kept.length) this.to(this.kept[0]);
  }

  reset() {
    this.at = null;
    this.kept = [];
    this.#show();
  }

  /** @param {any} state the last state message @param {boolean} begins whether a run may be begun from here */
  update(state, begins) {
    this.fork.hidden = !begins;
    this.kept = state?.snapshots ?? [];
    this.total = state?.steps ?? 1;
    this.done = Math.max(state?.step ?? 0, 0);
    if (this.at !== null && this.kept.length && !this.kept.includes(this.at)) this.to(this.nearest(this.at));
    this.#show();
  }

  #show() {
    const none = !this.kept.length;
    this.slider.disabled = none;
    setAttribute(this.slider, "title", none ? "There is nothing to go back to yet." : "Go back to any kept step (← and → while paused)");
    setAttribute(this.slider, "max", this.total || 1);
    const place = this.at ?? this.done ?? 0;
    if (Number(this.slider.value) !== place) this.slider.value = String(place);
    this.slider.style.setProperty("--done", `${((this.done ?? 0) / (this.total || 1)) * 100}%`);
    const words = none ? "" : `step ${count(place)}`;
    setText(this.words, words);
    setAttribute(this.slider, "aria-valuetext", this.at === null ? `live, ${words}` : words);
    setAttribute(this.live, "aria-pressed", String(this.at === null));
    this.live.disabled = none;
    this.fork.disabled = none;
    const from = this.at === null ? "the newest step" : words;
    setAttribute(this.fork, "title", none ? "There is no step to go on from yet." : `A new run that goes on from ${from}, with the settings of the sidebar`);
  }
}
