/** What the panels that are read say: the answer to the chosen sample, and the text that the network writes. */

import { classes, signs, value } from "./answering.js";
import { figure, rounded } from "./fixed.js";
import { SHORT, latest, measured, sampleOf } from "./known.js";
import { spoken } from "./marks.js";
import { count, number, percent } from "./text.js";

/** @type {Object<string, (known: import("./known.js").Known) => import("./known.js").Reading>} */
export const WORDS = {
  answers(known) {
    const { about } = known;
    if (about.answering === "steps" || about.answering === "decoded") return several(known);
    return about.answers ? one(known) : amount(known);
  },

  fixed: cost,

  text(known) {
    const { now } = measured(known, "bits");
    const signs = known.about.generation?.signs.length;
    if (!Number.isFinite(now)) return { number: "–", label: "", sentence: "A text that the network writes by itself appears with the first snapshot." };
    const even = Math.log2(signs);
    const sentence =
      now > even * 0.97
        ? `The network draws among ${count(signs)} signs almost evenly: it knows nothing of the text yet.`
        : `At each sign it is as unsure as between ${number(2 ** now)} equally likely ones, of ${count(signs)}. What stands in bold was given; the rest it wrote.`;
    return { number: number(now), label: "bits per character", sentence };
  },
};

/** What 8 bits cost, and from how few bits on it still works. */
function cost(known) {
  const found = rounded(known.about, known.arrays);
  if (!found) return { number: "–", label: "", sentence: "At its end the run is computed once more with 16, 8 and 4 bits, as small hardware would." };
  const { metric, floats, bits, paid } = found;
  const better = ["accuracy", "exact"].includes(metric) ? 1 : -1;
  const lost = paid.map((value) => better * (floats - value));
  const bearable = 0.02 * Math.max(Math.abs(floats), 1e-9);
  const fewest = bits.filter((_, k) => lost[k] <= bearable).at(-1);
  const sentence =
    fewest === undefined
      ? "Every one of these formats costs more than a fiftieth of what the run has reached."
      : `${count(fewest)} bits are enough: what the run has reached changes by less than a fiftieth.`;
  const eight = Math.max(0, bits.indexOf(8));
  return { number: figure(metric, paid[eight]), label: `${SHORT[metric] ?? metric} with ${bits[eight]} bits`, sentence };
}

function one(known) {
  const sample = sampleOf(known);
  const found = classes(known.about, sample, known.arrays);
  const label = "for the right answer";
  if (!found) return { number: "–", label, sentence: "What the network answers to the chosen sample, and how sure of it it is." };
  const names = known.about.answers;
  const [first, second] = found.shares.map((share, k) => ({ share, name: names[k] })).sort((a, b) => b.share - a.share);
  const next = `the next best, ${spoken(second.name)}, ${percent(second.share)}`;
  const sentence = found.correct
    ? `It gives ${percent(first.share)} to its answer and to ${next}.`
    : `It gives ${percent(first.share)} to ${spoken(first.name)}, which is wrong, and ${percent(found.shares[found.right])} to ${spoken(sample.target)}, which is right.`;
  return { number: percent(found.shares[found.right]), label, sentence };
}

function amount(known) {
  const found = value(known.about, sampleOf(known), known.arrays);
  const { metric, metric_unit: unit, chance } = known.about;
  if (!found) return { number: "–", label: "off by", sentence: "What the network answers to the chosen sample, beside what is right." };
  const usual = chance?.[metric];
  const rival = known.about.forecast ? "repeating the last value" : "one constant answer";
  const sentence = usual ? `On average ${rival} is off by ${number(usual)}${unit ? ` ${unit}` : ""}.` : "The nearer the two numbers, the better.";
  return { number: number(found.off), label: "off by", sentence };
}

function several(known) {
  const { about } = known;
  const found = signs(about, sampleOf(known), known.arrays);
  const decoded = about.answering === "decoded";
  const label = decoded ? "signs right" : "steps right";
  if (!found || !Number.isFinite(found.correct)) return { number: "–", label, sentence: "Under each step what is right, and what the network answers." };
  const figure = `${count(found.correct)} of ${count(found.asked)}`;
  const exact = decoded ? latest(known, "exact/val") : NaN;
  const whole = Number.isFinite(exact) ? ` Over the whole validation ${percent(exact)} of the answers are exact.` : "";
  const wrong = found.cells.findIndex((cell) => cell.wrong);
  if (wrong < 0) return { number: figure, label, sentence: `Every ${decoded ? "sign" : "step"} of this sample is right.${whole}` };
  const { input, right, said } = found.cells[wrong];
  const place = decoded ? `At sign ${wrong + 1}` : `At step ${wrong}${input ? ` (${spoken(input)})` : ""}`;
  return { number: figure, label, sentence: `${place} it answers ${spoken(said)} where ${spoken(right)} is right.${whole}` };
}
