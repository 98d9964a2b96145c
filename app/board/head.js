/** The head line: what runs, how it stands, what went wrong; and the same for those who listen. */

import { el, icon, setAttribute, setText } from "./dom.js";
import { describe } from "./text.js";

const ANNOUNCE = 5000; // ms between two announcements of progress to a screen reader
const TURN = 3000; // ms for which a run that waits for its next turn still counts as running
const HOPE = 3000; // ms for which a button's wish is shown before the run itself has answered
const LINKS = { live: "", connecting: "", polling: "live line blocked: fetching instead", lost: "reconnecting…" };

export class Head {
  /** @param {() => void} present called by the button */
  constructor(present) {
    this.name = el("span");
    this.setting = el("span.lab-setting");
    this.title = el("h2.lab-name", {}, this.name, this.setting);
    this.link = el("span.lab-link");
    this.word = el("span.lab-word");
    this.rest = el("span.lab-rest");
    this.pill = el("div.lab-state", { "data-tone": "calm" }, el("span.lab-dot", { "aria-hidden": "true" }), this.word, this.rest);
    this.presenting = el(
      "button.lab-button.lab-quiet",
      { type: "button", "aria-label": "Present", "aria-pressed": "false", title: "Larger, with everything else folded away (P)", onclick: present },
      icon("present"),
    );
    this.line = el("div.lab-headline", {}, this.title, this.link, this.pill, this.presenting);
    this.notice = el("div.lab-notice", { role: "alert", hidden: true });
    this.spoken = el("div.lab-spoken", { "aria-live": "polite", role: "status" });
  }

  /** Another run is followed. */
  reset() {
    this.hope = null;
    this.ranAt = 0;
  }

  /** Say what a button has asked for, until the run answers. */
  expect(word, state) {
    this.hope = { word, was: state?.desired, until: Date.now() + HOPE };
  }

  connected(link, seconds) {
    this.connection = link;
    setText(this.link, LINKS[link]);
    const wait = `The server does not answer; next try in ${Math.ceil(seconds)} s. What is shown stays.`;
    setAttribute(this.link, "title", link === "lost" ? wait : null);
  }

  present(on) {
    setAttribute(this.presenting, "aria-pressed", String(on));
  }

  /**
   * @param {Object} known
   * @param {string|null} known.run
   * @param {any} known.state the last state message, or null
   * @param {any} known.about null until the run is described
   * @param {string} known.title the run's name until then
   * @param {string|null} known.missing why there is no such run
   * @param {string|null} known.trouble why nothing new comes at the moment
   * @param {number} [known.best] the step of the best validation, once the run is over
   */
  show({ run, state, about, title, missing, trouble, best }) {
    if (state?.status === "running") this.ranAt = Date.now();
    setText(this.name, state?.name || about?.title || title || (run === null ? "No run yet" : "A new run"));
    setText(this.setting, state?.name && about ? about.title : "");
    this.title.classList.toggle("long", this.title.textContent.length > 56);
    let told = describe(state, this.connection, Date.now() - this.ranAt < TURN, best);
    if (run === null) told = { word: "", rest: "choose settings at the left and press Train", tone: "calm" };
    if (this.hope && (Date.now() > this.hope.until || state?.desired !== this.hope.was)) this.hope = null;
    if (this.hope) told = { ...told, word: this.hope.word };
    if (missing) told = { word: "not found", rest: "", tone: "bad" };
    if (trouble) told = { word: "no run store", rest: "what is shown was recorded before; it goes on by itself", tone: "bad" };
    setText(this.word, told.word);
    setText(this.rest, told.rest);
    this.pill.dataset.tone = told.tone;
    const ended = ["failed", "stopped"].includes(state?.status) ? state.error : null;
    this.#complain(trouble ? { what: trouble } : (ended ?? (missing ? { what: missing } : null)));
    this.#announce(told);
  }

  /** A change at once, progress now and then. */
  #announce({ word, rest, tone }) {
    const now = Date.now();
    const said = `${word}${this.connection === "lost" ? ", reconnecting" : ""}`;
    if (said === this.said && (tone !== "live" || now - this.saidAt < ANNOUNCE)) return;
    setText(this.spoken, `${said} ${rest}`);
    this.said = said;
    this.saidAt = now;
  }

  /** What went wrong, why, and what to do now. */
  #complain(error) {
    const text = JSON.stringify(error);
    if (text === this.complaint) return;
    this.complaint = text;
    this.notice.hidden = !error;
    const { what, why, remedy } = error ?? {};
    const parts = [what && el("strong", {}, what), why && el("span", {}, why), remedy && el("span.lab-remedy", {}, remedy)];
    this.notice.replaceChildren(...parts.filter(Boolean));
  }
}
