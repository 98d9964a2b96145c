/** The equations of a cell with the numbers of one step in them, and the same in a sentence. */

import { el, setAttribute, setText } from "./dom.js";
import { number, percent } from "./text.js";

/**
 * One equation: `formula` in letters, `numbers` with [key] for a value, [+key] for one that is added to what stands
 * before it, and [(key)] for one in brackets where it is negative.
 * @typedef {{gate: string, part: string, formula: string, numbers: string}} Equation
 */

/** @param {any} walk what Python sent @returns {Equation[]} */
export function equations(walk) {
  return { lstm, gru, rnn }[walk.kind](walk);
}

const bias = (walk, gate, key = `b.${gate}`) => (walk.bias ? [` + b_{${gate}}`, ` [+${key}]`] : ["", ""]);

function gate(walk, letter, squash) {
  const [b, number] = bias(walk, letter);
  return {
    gate: letter,
    part: "gates",
    formula: `${letter}_t = ${squash}(W_{i${letter}} x_t + W_{h${letter}} h_{${walk.before}}${b})`,
    numbers: `= ${squash}([ih.${letter}] [+hh.${letter}]${number}) = ${squash}([pre.${letter}]) = [${letter}]`,
  };
}

function lstm(walk) {
  const { squash, before, projected } = walk;
  const shown = projected ? "m" : "h";
  const found = [
    gate(walk, "f", "σ"),
    gate(walk, "i", "σ"),
    gate(walk, "g", squash),
    gate(walk, "o", "σ"),
    { gate: "c", part: "keep", formula: `c_t = f_t ⊙ c_{${before}} + i_t ⊙ g_t`, numbers: "= [f] · [(c_before)] + [i] · [(g)] = [fc] [+ig] = [c]" },
    { gate: "h", part: "out", formula: `${shown}_t = o_t ⊙ ${squash}(c_t)`, numbers: `= [o] · ${squash}([c]) = [o] · [(squashed)] = [m]` },
  ];
  if (projected) found.push({ gate: "h", part: "out", formula: "h_t = W_{hr} m_t", numbers: "= [h], a sum over the m_t of all units" });
  return found;
}

function gru(walk) {
  const [b_in, number_in] = bias(walk, "in", "b_ih.n");
  const [b_hn, number_hn] = bias(walk, "hn", "b_hh.n");
  return [
    gate(walk, "z", "σ"),
    gate(walk, "r", "σ"),
    { gate: "", part: "in", formula: `q_t = W_{hn} h_{${walk.before}}${b_hn}`, numbers: `= [hh.n]${number_hn} = [q]` },
    { gate: "n", part: "gates", formula: `n_t = tanh(W_{in} x_t${b_in} + r_t ⊙ q_t)`, numbers: `= tanh([ih.n]${number_in} + [r] · [(q)]) = tanh([pre.n]) = [n]` },
    { gate: "h", part: "keep", formula: `h_t = z_t ⊙ h_{${walk.before}} + (1 − z_t) ⊙ n_t`, numbers: "= [z] · [(h_before)] + [keep] · [(n)] = [zh] [+new] = [h]" },
  ];
}

const rnn = (walk) => [{ ...gate(walk, "h", walk.squash), part: "gates" }];

/** All that a step shows: what was sent, and the products that follow from it. */
export function valuesAt({ kind, values }, t) {
  const at = Object.fromEntries(Object.entries(values).map(([name, series]) => [name, series[t]]));
  if (kind === "lstm") {
    at.fc = at.f * at.c_before;
    at.ig = at.i * at.g;
    at.squashed = at.tanh_c ?? at.relu_c;
    at.m ??= at.h; // without a projection they are the same
  } else if (kind === "gru") {
    at.rq = at.r * at.q;
    at.zh = at.z * at.h_before;
    at.keep = 1 - at.z;
    at.new = at.keep * at.n;
  }
  return at;
}

/** One step in words. */
export function sentence(walk, t, at) {
  const read = `At t = ${t} it reads ${walk.reads[t]}`;
  const first = t === (walk.backward ? walk.T - 1 : 0);
  if (walk.kind === "lstm") {
    const kept = first
      ? `the cell state begins at 0, so there is nothing to forget`
      : `f keeps ${percent(at.f)} of the cell state ${number(at.c_before)}, which leaves ${number(at.fc)}`;
    const lets = `o lets ${percent(at.o)} of ${walk.squash}(c) through`;
    return `${read}: ${kept}; i ⊙ g ${at.ig < 0 ? "takes" : "adds"} ${number(Math.abs(at.ig))}${at.ig < 0 ? " away" : ""}; ${lets}, so ${walk.projected ? "m" : "h"} = ${number(at.m)}.`;
  }
  if (walk.kind === "gru") {
    const kept = first ? "h begins at 0, so there is nothing to keep" : `z keeps ${percent(at.z)} of h, ${number(at.zh)} of ${number(at.h_before)}`;
    return `${read}: ${kept}; of the candidate ${number(at.n)} it takes ${percent(at.keep)}, so h = ${number(at.h)}.`;
  }
  const from = [`${number(at["ih.h"])} from the input`, `${number(at["hh.h"])} from the last state`, ...(walk.bias ? [`${number(at["b.h"])} from the bias`] : [])];
  return `${read}: ${from.slice(0, -1).join(", ")} and ${from.at(-1)} give h = ${number(at.h)}; nothing is kept but what goes through the weights.`;
}

/** The equations as a list that can be filled again and again. */
export class Equations {
  /** @param {any} walk @param {Record<string, string>} colours */
  constructor(walk, colours) {
    this.slots = [];
    this.node = el("div.cell-equations", { role: "list", "aria-label": "The equations with their numbers" });
    for (const { gate: letter, part, formula, numbers } of equations(walk)) {
      const block = el("div.cell-equation", { role: "listitem", "data-part": part, style: letter ? `--colour:${colours[letter]}` : null });
      block.append(el("div.cell-formula", {}, ...typeset(formula)), el("div.cell-numbers", {}, ...this.#filled(numbers)));
      this.node.append(block);
    }
  }

  update(values) {
    for (const { node, key, how } of this.slots) {
      const value = values[key];
      const size = number(how === "+" ? Math.abs(value) : value);
      setText(node, how === "+" ? `${value < 0 ? "−" : "+"} ${size}` : how === "(" && value < 0 ? `(${size})` : size);
      setAttribute(node, "data-full", value);
      setAttribute(node, "title", value);
    }
  }

  #filled(numbers) {
    return numbers.split(/(\[[^\]]+\])/).map((piece) => {
      const match = /^\[([+(]?)([^\])]+)\)?\]$/.exec(piece);
      if (!match) return document.createTextNode(piece);
      const node = el("span.cell-slot", { "data-value": match[2] });
      this.slots.push({ node, key: match[2], how: match[1] });
      return node;
    });
  }
}

/** Letters in italics, indices below the line: W_{if} x_t. */
function typeset(formula) {
  return formula.split(/([A-Za-z]+(?:_(?:\{[^}]*\}|\w))?)/).map((piece, k) => {
    if (k % 2 === 0) return document.createTextNode(piece);
    const [letter, index] = piece.split("_");
    if (letter.length > 1) return document.createTextNode(piece); // tanh
    return el("var", {}, letter, index ? el("sub", {}, index.replace(/[{}]/g, "")) : null);
  });
}
