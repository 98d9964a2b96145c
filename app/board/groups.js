/** What stands below the main panels: groups, each opened by a button. What is closed is neither drawn nor fetched. */

import { el, setAttribute } from "./dom.js";

const KEPT = "lab-groups"; // where the browser's session remembers what is open
let boards = 0;

export class Groups {
  /**
   * @param {Object<string, string>} titles by id, in their order
   * @param {() => void} changed
   * @param {HTMLElement} head what covers the page's upper end
   */
  constructor(titles, changed, head) {
    const board = ++boards;
    Object.assign(this, { changed, head });
    this.opened = new Set(remembered());
    this.parts = Object.entries(titles).map(([id, title]) => {
      const body = el("section.lab-group", { id: `lab-${board}-${id}`, "aria-label": title, "data-group": id, hidden: true });
      const chip = el("button.lab-chip.lab-option", { type: "button", "aria-expanded": "false", "aria-controls": body.id, title: `Open or close: ${title}` }, title);
      chip.addEventListener("click", () => this.turn(id));
      return { id, chip, body };
    });
    this.node = el("div.lab-groups", { role: "group", "aria-label": "More panels", hidden: true }, el("span.lab-label", {}, "More"), ...this.parts.map(({ chip }) => chip));
    this.sized = new ResizeObserver(() => (this.node.style.top = `${head.offsetHeight}px`));
    this.sized.observe(head);
    this.bodies = el("div.lab-bodies", {}, ...this.parts.map(({ body }) => body));
  }

  /** Put panels into the groups that they name; a group without panels has no button. */
  furnish(panels) {
    this.all = panels;
    for (const { id, chip, body } of this.parts) {
      const own = panels.filter((panel) => panel.group === id);
      body.replaceChildren(...own.map((panel) => panel.node));
      chip.hidden = !own.length;
    }
    this.node.hidden = this.parts.every(({ chip }) => chip.hidden);
    this.#show();
  }

  /** Whether panels of this group are on the page: the main ones always are. */
  shows(group) {
    return group === "main" || this.opened.has(group);
  }

  /** Open or close a group; one that was opened comes into view. */
  turn(id, on = !this.opened.has(id)) {
    if (on) this.opened.add(id);
    else this.opened.delete(id);
    try {
      sessionStorage.setItem(KEPT, JSON.stringify([...this.opened]));
    } catch {
      // without storage it is remembered as long as the page stays
    }
    this.#show();
    this.changed();
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const body = this.parts.find((part) => part.id === id)?.body;
    if (!on || !body) return;
    body.style.scrollMarginTop = `${this.head.offsetHeight + this.node.offsetHeight}px`;
    body.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
  }

  close() {
    this.sized.disconnect();
  }

  #show() {
    for (const { id, chip, body } of this.parts) {
      const open = this.opened.has(id) && !chip.hidden;
      body.hidden = !open;
      setAttribute(chip, "aria-expanded", String(open));
    }
  }
}

function remembered() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}
