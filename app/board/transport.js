/** The buttons that steer a run. A button that cannot act is disabled and says why. */

import { el, icon, setAttribute, setText } from "./dom.js";
import { number } from "./text.js";

const OVER = ["finished", "stopped", "failed"];
const FIELDS = ["learning_rate", "clip", "clip_threshold"];

export class Transport {
  /** @param {(name: string, more?: Object) => void} act */
  constructor(act) {
    this.act = act;
    this.buttons = {};
    this.fields = {};
    const button = (id, picture, text, help, onclick) => {
      const words = el("span.lab-word", {}, text);
      const node = el("button.lab-button", { type: "button", "aria-label": text }, picture ? icon(picture) : null, words);
      node.addEventListener("click", onclick);
      this.buttons[id] = { node, words, help, text };
      return node;
    };
    this.form = el("form.lab-changes", { "aria-label": "Change while running", novalidate: true });
    this.node = el(
      "div.lab-transport",
      { role: "toolbar", "aria-label": "Training" },
      button("main", "play", "Train", "", () => this.main()),
      button("step", "step", "Step", "One update of the weights, then pause (→)", () => this.step(1)),
      button("ten", null, "+10", "Ten updates, then pause", () => this.step(10)),
      button("stop", "stop", "Stop", "End this run; what it measured is kept", () => this.#do("stop")),
      button("rewind", "rewind", "Same weights", "A new run from exactly the same first weights and data", () => this.#do("rewind")),
      button("reseed", "reseed", "New seed", "A new run with other first weights and other data", () => this.#do("reseed")),
      this.form,
    );
    this.buttons.main.node.classList.add("primary");
    this.buttons.ten.node.setAttribute("aria-label", "Ten steps");
    this.#changes();
  }

  #changes() {
    const field = (name, label, input, help) => {
      input.name = name;
      input.addEventListener("input", () => this.#edited());
      this.fields[name] = { input, shown: null };
      return el("label.lab-field", { title: help }, el("span", {}, label), input);
    };
    const text = (title) => el("input.lab-input", { type: "text", inputmode: "decimal", size: 7, autocomplete: "off", "aria-label": title });
    const clip = el("select.lab-select", { "aria-label": "Clipping" });
    for (const [value, words] of [["none", "no clipping"], ["norm", "by norm"], ["value", "by value"]]) clip.append(el("option", { value }, words));
    this.apply = el("button.lab-button.apply", { type: "submit", disabled: true }, "Apply");
    this.form.append(
      field("learning_rate", "lr", text("Learning rate"), "Learning rate from the next step on"),
      field("clip", "clip", clip, "How gradients are bounded from the next step on"),
      field("clip_threshold", "at", text("Clipping threshold"), "The largest norm, or value, a gradient may have"),
      this.apply,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.form.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.#forget();
    });
  }

  /** What the person has typed and the run does not have yet: field → value; null where it is no number above 0. */
  #wanted() {
    const wanted = {};
    for (const name of FIELDS) {
      const { input, shown } = this.fields[name];
      if (shown === null || input.value === shown) continue;
      if (name === "clip") wanted[name] = input.value;
      else {
        const value = Number(input.value.trim().replace(",", ".").replace("−", "-"));
        wanted[name] = input.value.trim() && value > 0 && Number.isFinite(value) ? value : null;
      }
    }
    return wanted;
  }

  #edited() {
    const wanted = this.#wanted();
    for (const name of FIELDS) setAttribute(this.fields[name].input, "aria-invalid", wanted[name] === null ? "true" : null);
    const wrong = Object.values(wanted).includes(null);
    const nothing = !Object.keys(wanted).length;
    this.apply.disabled = wrong || nothing || !this.changeable;
    this.apply.title = wrong ? "Write a number above 0" : nothing ? "Nothing is changed" : "Use these values from the next step on";
  }

  #forget() {
    for (const name of FIELDS) this.fields[name].input.value = this.fields[name].shown ?? "";
    this.#edited();
  }

  #send() {
    const wanted = Object.entries(this.#wanted()).filter(([, value]) => value !== null);
    wanted.forEach(([field, value], k) => {
      this.fields[field].shown = this.fields[field].input.value;
      // One wish at a time: each is a message of its own.
      setTimeout(() => this.act("override", { field, value }), k * 300);
    });
    this.#edited();
  }

  #do(id) {
    if (!this.buttons[id].node.disabled) this.act(id);
  }

  /** Play, pause or train on, whichever can be done now. */
  main() {
    if (!this.buttons.main.node.disabled) this.act(this.mainAction);
  }

  step(n) {
    if (!this.buttons.step.node.disabled) this.act("step", { n });
  }

  /**
   * @param {any} state the last state message, or null
   * @param {boolean} editable whether the run may be changed from here
   * @param {boolean} begins whether others may be begun after it
   */
  update(state, editable, begins) {
    for (const id of ["main", "step", "ten", "stop"]) this.buttons[id].node.hidden = !editable;
    for (const id of ["rewind", "reseed"]) this.buttons[id].node.hidden = !begins;
    this.form.hidden = !editable;
    this.node.hidden = !editable && !begins;
    const status = state?.status;
    const over = OVER.includes(status);
    const going = state && !over && state.desired === "running";
    const look = "This run is to look at only."; // keys press buttons as well, hidden ones too
    const foreign = editable ? "" : look;
    const none = state ? "" : "There is no run yet; press Train in the sidebar.";
    const ended = over ? `This run is ${status}.` : "";
    const finished = status === "finished";
    const given = status === "failed" && !state.error?.again; // up for good: it would fail again
    this.mainAction = !state || given ? "train" : finished ? "extend" : going ? "pause" : "resume";
    const [text, picture] = {
      train: ["Train", "play"],
      extend: ["Train on", "play"],
      pause: ["Pause", "pause"],
      resume: ["Resume", "play"],
    }[this.mainAction];
    const help = {
      train: "A new run with the settings of the sidebar (space)",
      extend: "As many steps again as the run was set to, from where it ended (space)",
      pause: "Hold the run after the step it is at (space)",
      resume: status === "failed" ? "Try again from the last checkpoint (space)" : "Go on from where it was held (space)",
    }[this.mainAction];
    const main = this.buttons.main;
    if (main.picture !== picture) {
      main.picture = picture;
      main.node.querySelector("svg").replaceWith(icon(picture));
    }
    setText(main.words, text);
    setAttribute(main.node, "aria-label", text);
    const busy = going && state.target == null ? "The run is going on; pause it first." : "";
    this.#set("main", foreign, help);
    const further = foreign || none || (finished ? "" : ended) || busy;
    this.#set("step", further, finished ? "One step beyond the end" : undefined);
    this.#set("ten", further, finished ? "Ten steps beyond the end" : undefined);
    this.#set("stop", foreign || none || ended);
    for (const id of ["rewind", "reseed"]) this.#set(id, none || (begins ? "" : look));
    this.changeable = Boolean(editable && state && !over);
    for (const name of FIELDS) this.#show(name, state?.[name], foreign || none || ended);
    this.#edited();
  }

  #set(id, reason, help = this.buttons[id].help) {
    const { node } = this.buttons[id];
    if (node.disabled !== Boolean(reason)) node.disabled = Boolean(reason);
    setAttribute(node, "title", reason || help);
  }

  #show(name, value, reason) {
    const field = this.fields[name];
    const threshold = name === "clip_threshold" && this.fields.clip.input.value === "none";
    field.input.disabled = Boolean(reason) || threshold;
    setAttribute(field.input, "title", reason || (threshold ? "There is no clipping now; choose one first." : null));
    const shown = value == null ? "" : name === "clip" ? value : plain(value);
    if (field.shown === shown) return;
    const untouched = field.shown === null || field.input.value === field.shown;
    field.shown = shown;
    if (untouched) field.input.value = shown;
  }
}

/** A number as one would type it. */
const plain = (value) => (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e6 ? value.toExponential() : String(value));
