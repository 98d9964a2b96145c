/** The choice of a sample, in the head of every panel that shows one, and its answer in a few words beside it. */

import { el, setText } from "./dom.js";

const PLACES = ["gates", "answers"];

export class Sampler {
  /** @param {(sample: number) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.selects = [];
    this.answer = el("span.lab-answer");
  }

  /** Put the choice into panels that were just put up. */
  furnish(panels, samples, chosen) {
    for (const select of this.selects) select.remove();
    this.selects = [];
    for (const panel of panels.filter((one) => PLACES.includes(one.id))) {
      const select = el("select.lab-select", { "aria-label": panel.id === "gates" ? "Sample" : "Sample that is answered" });
      select.append(...samples.map((sample, k) => el("option", { value: k }, sample.title)));
      select.hidden = samples.length < 2;
      select.addEventListener("change", () => this.choose(Number(select.value)));
      panel.options.prepend(select);
      if (panel.id === "gates") panel.options.append(this.answer);
      this.selects.push(select);
    }
    this.show(chosen);
  }

  show(chosen) {
    for (const select of this.selects) select.value = String(chosen);
  }

  say(words) {
    setText(this.answer, words);
  }
}
