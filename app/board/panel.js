/** The frame of every panel: title, one large number, switches, the picture, one line on what to notice. */

import { el, setAttribute, setText } from "./dom.js";
import { saveButton, savePicture } from "./picture.js";

export class Panel {
  /** @param {{id: string, title: string, help: string, height: number}} spec */
  constructor(spec) {
    this.id = spec.id;
    this.number = el("output.lab-number", { "aria-hidden": "true" });
    this.label = el("span.lab-label");
    this.switches = el("div.lab-switches", { role: "group", "aria-label": `${spec.title}: what is shown` });
    this.options = el("div.lab-options");
    this.picture = el("div.lab-picture", { role: "img", "aria-label": spec.title });
    if (!spec.figure) this.picture.append(el("p.lab-hint", {}, spec.help));
    this.note = el("p.lab-note");
    this.heading = el("h3.lab-title", { title: spec.help }, spec.title);
    this.take = () => savePicture(this.node); // a picture of it; the board knows more to say
    this.save = saveButton(spec.title, () => this.take());
    this.node = el(
      "section.lab-panel",
      { "data-panel": spec.id, "data-kind": spec.kind, "aria-label": spec.title, style: `--height:${spec.height}` },
      el("header.lab-head", {}, this.heading, this.save, this.options, el("div.lab-reading", {}, this.label, this.number)),
      this.switches,
      this.picture,
      this.note,
    );
  }

  /**
   * Take the room that the picture has: before each drawing, and for all panels before any of them is drawn, since to ask
   * after a drawing has the whole page laid out anew.
   */
  measure() {
    const place = this.plot ?? this.picture;
    this.room = { width: place.clientWidth, height: place.clientHeight };
  }

  /** @param {{number?: string, label?: string, sentence?: string}} reading */
  say({ number = "", label = "", sentence = "" }) {
    setText(this.number, number);
    setText(this.label, label);
    sentence = sentence.replace(/\bt = /g, "t\u00a0=\u00a0"); // one place, in one line
    setText(this.note, sentence);
    const heading = this.heading.textContent;
    setAttribute(this.picture, "aria-label", `${heading}: ${[label, number].filter(Boolean).join(" ")}. ${sentence}`);
  }
}

/** A switch that shows or hides something: a small sample of its line, and its name. */
export function toggle(name, { colour, dash, pressed, title, onclick }) {
  const mark = el("span.lab-swatch", { "aria-hidden": "true", "data-dash": dash ?? "solid" });
  if (colour) mark.style.setProperty("--colour", colour);
  const button = el("button.lab-chip", { type: "button", "aria-pressed": String(pressed), title }, colour ? mark : null, name);
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(now));
    onclick(now);
  });
  return button;
}
