/**
 * A panel as a PNG: title, number, legend, picture and sentence on one sheet, in the colours of the page as it is.
 *
 *   savePicture(node, title, { note, file }) -> Promise<void>
 *
 * `node` is the panel: its parts are found by their classes, and what is not there is left out: `.lab-title`,
 * `.lab-number`, `.lab-label`, `.lab-chip[aria-pressed]` (the legend, where they have a `.lab-swatch`), `.lab-picture`
 * (a Plotly chart, canvases, words, or all of them), `.lab-note` (the sentence). `title` takes the place of
 * `.lab-title`. `note` is a quiet line below the title, such as the run and its step; `file` begins the file's name.
 * The colours are those of `--ink`, `--quiet`, `--grid` and `--paper` at the node. `sheet` gives the same as a canvas.
 */

import { el, icon } from "./dom.js";
import { paint } from "./paint.js";

const SCALE = 2; // pixels of the file for each of the page
const EDGE = 16; // px around everything
const LEAST = 420; // px: the narrowest sheet on which a sentence reads well

/** @param {HTMLElement} node @param {string} [title] @param {{note?: string, file?: string}} [more] */
export async function savePicture(node, title = "", { note = "", file = "" } = {}) {
  const canvas = await sheet(node, title, note);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: `${slug(file || "lstm-lab")}-${slug(title || text(node, ".lab-title"))}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The button that saves a panel; it says so where that failed. @param {() => Promise<void>} save */
export function saveButton(title, save) {
  const usual = `Save “${title}” as a picture (PNG)`;
  const button = el("button.lab-save", { type: "button", title: usual, "aria-label": usual }, icon("save"));
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await save();
      button.title = usual;
    } catch (error) {
      button.title = `The picture could not be made: ${error.message}`;
    }
    button.disabled = false;
  });
  return button;
}

/** @returns {Promise<HTMLCanvasElement>} */
export async function sheet(node, title = "", note = "") {
  const picture = node.querySelector(".lab-picture") ?? node;
  const box = picture.getBoundingClientRect();
  const style = getComputedStyle(node);
  const token = (name, usual) => style.getPropertyValue(`--${name}`).trim() || usual;
  const colours = { ink: token("ink", "#18222D"), quiet: token("quiet", "#5C6773"), paper: token("paper", "#FFFFFF") };
  const width = Math.max(LEAST, Math.ceil(box.width)) + 2 * EDGE;
  const measure = new Pen(el("canvas").getContext("2d"), style.fontFamily, colours, width);
  const parts = { title: title || text(node, ".lab-title"), number: text(node, ".lab-number"), label: text(node, ".lab-label"), note, legend: legend(node), sentence: text(node, ".lab-note") };
  const top = head(measure, parts);
  const bottom = foot(measure, parts, top + box.height + 8);
  const canvas = el("canvas", { width: width * SCALE, height: Math.ceil(bottom + EDGE) * SCALE });
  const pen = canvas.getContext("2d");
  pen.scale(SCALE, SCALE);
  pen.fillStyle = colours.paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const drawn = new Pen(pen, style.fontFamily, colours, width, true);
  head(drawn, parts);
  foot(drawn, parts, top + box.height + 8);
  pen.save();
  pen.translate(EDGE - box.left, top - box.top);
  await paint(pen, picture, SCALE);
  pen.restore();
  return canvas;
}

/** Writes on a sheet, or only measures how much room that takes. */
class Pen {
  constructor(context, font, colours, width, writes = false) {
    Object.assign(this, { context, font, colours, width, writes });
  }

  write(words, x, y, { size = 13, weight = 400, colour = "ink", align = "left" } = {}) {
    const { context } = this;
    context.font = `${weight} ${size}px ${this.font}`;
    context.textAlign = align;
    context.textBaseline = "alphabetic";
    context.fillStyle = this.colours[colour];
    if (this.writes) context.fillText(words, x, y);
    return context.measureText(words).width;
  }

  /** Words in lines that fit between the edges; gives the y below the last. */
  lines(words, y, look) {
    const room = this.width - 2 * EDGE;
    const high = Math.round((look.size ?? 13) * 1.45);
    this.context.font = `${look.weight ?? 400} ${look.size ?? 13}px ${this.font}`;
    for (const line of wrapped(words, (part) => this.context.measureText(part).width <= room)) {
      y += high;
      this.write(line, EDGE, y - Math.round(high * 0.25), look);
    }
    return y;
  }
}

/** Title, number and legend; gives the y at which the picture begins. */
function head(pen, { title, number, label, note, legend }) {
  const right = pen.width - EDGE;
  let beside = right;
  if (number) beside -= pen.write(number, right, EDGE + 22, { size: 26, weight: 600, align: "right" }) + 8;
  if (label) beside -= pen.write(label, beside, EDGE + 22, { size: 12, colour: "quiet", align: "right" });
  pen.write(title, EDGE, EDGE + 18, { size: 16, weight: 600 });
  let y = EDGE + 30;
  if (note) y = pen.lines(note, y - 4, { size: 12, colour: "quiet" }) + 4;
  return legend.length ? entries(pen, legend, y) : y + 4;
}

/** A sample of each line with its name, in as many rows as needed. */
function entries(pen, legend, y) {
  let x = EDGE;
  const { context } = pen;
  for (const { name, colour, dash } of legend) {
    context.font = `400 12px ${pen.font}`;
    const wide = 22 + context.measureText(name).width + 14;
    if (x + wide > pen.width && x > EDGE) [x, y] = [EDGE, y + 18];
    if (pen.writes) {
      context.save();
      Object.assign(context, { strokeStyle: colour, lineWidth: 3 });
      context.setLineDash({ dash: [5, 3], dot: [2, 2] }[dash] ?? []);
      context.beginPath();
      context.moveTo(x, y + 10);
      context.lineTo(x + 16, y + 10);
      context.stroke();
      context.restore();
    }
    pen.write(name, x + 22, y + 14, { size: 12 });
    x += wide;
  }
  return y + 24;
}

const foot = (pen, { sentence }, y) => (sentence ? pen.lines(sentence, y, { size: 13, colour: "quiet" }) : y);

/** Words broken into lines. @param {(line: string) => boolean} fits */
export function wrapped(words, fits) {
  const lines = [];
  for (const word of words.split(" ").filter(Boolean)) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && fits(longer)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function legend(node) {
  return [...node.querySelectorAll('.lab-chip[aria-pressed="true"]')]
    .filter((chip) => !chip.hidden && chip.querySelector(".lab-swatch"))
    .map((chip) => {
      const swatch = chip.querySelector(".lab-swatch");
      return { name: chip.textContent.trim(), colour: getComputedStyle(swatch).borderTopColor, dash: swatch.dataset.dash };
    });
}

const text = (node, selector) => node.querySelector(selector)?.textContent.trim() ?? "";

/** A text as a part of a file's name. */
export const slug = (words) => words.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
