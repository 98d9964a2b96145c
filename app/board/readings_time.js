/** What the panels along a sequence say: the gradient through time, the gates, the attention, a forecast. */

import { looks } from "./alignment.js";
import { bytes, latest, mean, sampleOf, solved } from "./known.js";
import { spoken } from "./marks.js";
import { count, number, percent, power } from "./text.js";

const KEEPS = { f: "forget gate", z: "update gate" };

/** @type {Object<string, (known: import("./known.js").Known) => import("./known.js").Reading>} */
export const TIME = {
  gradient_time(known) {
    const { about } = known;
    const layer = about.layers?.[0];
    const data = known.arrays?.get(`gradient/${layer}.h`)?.data;
    const label = "first ÷ last";
    if (!data?.length) return { number: "–", label, sentence: "How much the loss would change if the state at each time step changed." };
    let end = data.length - 1; // beyond the longest of the shown sequences there is nothing
    while (end > 0 && data[end] === 0) end--;
    const first = data[0];
    const last = data[end];
    const ratio = first / last;
    const size = power(ratio);
    const cell = known.arrays.get(`gradient/${layer}.c`)?.data;
    const carried = cell ? cell[0] / cell[end] : NaN;
    const bptt = about.bptt_length && about.bptt_length < about.T ? about.bptt_length : null;
    return { number: size, label, sentence: flowing(known, { first, last, ratio, size, carried, bptt }) };
  },

  gates(known) {
    const { about } = known;
    const layer = known.layer ?? about.layers?.[0];
    const sigmoids = about.sigmoids ?? about.gates ?? [];
    if (about.sigmoids?.length === 0) return states(known, layer);
    const shares = sigmoids.map((gate) => known.arrays?.get(`saturation/${layer}.${gate}`)?.data[0]).filter(Number.isFinite);
    const label = "gates saturated";
    if (!shares.length) return { number: "–", label, sentence: "Each row is a unit, each column a time step of the chosen sample." };
    let sentence = "Saturated gates (below 0.1 or above 0.9) pass on almost no gradient to their own weights.";
    const keep = sigmoids.find((gate) => gate in KEEPS);
    const kept = keep && bytes(known, layer, keep);
    if (kept) {
      const share = mean(kept) / 255;
      const memory = 1 / Math.max(1 - share, 1 / 2000);
      sentence = `The ${KEEPS[keep]} ${keep} is ${number(share)} on average: the ${keep === "f" ? "cell" : "state"} keeps a value for about ${number(memory)} time steps, of ${count(about.T)}.`;
    }
    return { number: percent(mean(shares)), label, sentence };
  },

  attention(known) {
    const found = known.arrays?.get("attention");
    if (!found) return { number: "–", label: "largest", sentence: "The weights add up to 1 over the time steps." };
    return found.shape?.length === 2 ? aligned(known) : pooled(known, found.data);
  },

  forecast(known) {
    const { truth, persistence, unit, split = 0 } = known.about.forecast ?? {};
    const prediction = known.arrays?.get("forecast/prediction")?.data;
    const label = "error, validation";
    if (!prediction || !truth) return { number: "–", label, sentence: "The prediction appears beside the truth with the first snapshot." };
    const error = (series) => mean(truth.slice(split).map((value, k) => Math.abs(value - series[split + k])));
    const [own, copy] = [error(prediction), error(persistence)];
    const size = `${number(own)}${unit ? ` ${unit}` : ""}`;
    const sentence =
      own < copy * 0.98
        ? `After the line, the forecast is off by ${size}, a copy of the last value by ${number(copy)}.`
        : `After the line, a mere copy of the last value (off by ${number(copy)}) is ${own > copy * 1.02 ? "better" : "as good"}: do not trust how close the lines look.`;
    return { number: number(own), label, sentence };
  },
};

/** What the gradient's way back through the time steps means for learning. */
function flowing(known, { first, last, ratio, size, carried, bptt }) {
  const { about } = known;
  const attends = about.attention !== "none";
  if (solved(known)) return "Nearly every answer is right: little is left to learn, so little gradient is left.";
  if (about.generation) return `The gradient ends where the window begins: its ${count(about.T)} steps are the horizon, though the state comes from before.`;
  if (about.answering === "steps") {
    const cut = bptt ? `, but not across the cuts every ${count(bptt)} steps` : "";
    return `Every step has an answer of its own, so gradient enters at every step and adds up on its way back${cut}.`;
  }
  if (!attends && bptt && first === 0) return `Backpropagation is cut every ${count(bptt)} time steps: no gradient reaches the first input.`;
  if (!(last > 0) && !(first > 0)) return "No gradient reaches any time step.";
  if (first < 1.2e-38) return "The first input's gradient is smaller than the numbers of training can hold: it counts as zero.";
  if (attends && ratio >= 1e-2 && ratio < 100) return "Attention carries the gradient to every time step directly, whatever the cell forgets.";
  if (ratio < 1e-2 && carried >= 1e-2 && carried < 100)
    return `Of h the first step's gradient is ${size} of the last one's, of the cell state c ${power(carried)}: c carries it, so training can see the first input.`;
  if (ratio < 1e-5) return `The first input's gradient is ${size} of the last one's: training cannot see it.`;
  if (ratio < 1e-2) return `The first input's gradient is ${size} of the last one's: learning from it is slow.`;
  if (ratio < 0.1) return `The first input's gradient is ${size} of the last one's: weaker, but training can see it.`;
  if (ratio < 10) return "The gradient reaches the first input about as strongly as the last: training can see it.";
  if (ratio < 100) return `The gradient grows ${size} times on its way back to the first input: training can see it.`;
  return `The gradient grows ${size} times on its way back to the first input: it may explode, and clipping helps.`;
}

/** A simple RNN has no gates: what can be said of its state. */
function states(known, layer) {
  const found = bytes(known, layer, "h");
  if (!found) return { number: "–", label: "", sentence: "Each row is a unit, each column a time step of the chosen sample." };
  if ((known.about.unbounded ?? []).includes("h")) {
    const silent = mean(Array.from(found, (byte) => Number(byte === 128)));
    return { number: percent(silent), label: "silent", sentence: `${percent(silent)} of the values are 0 or nearly so: a ReLU at 0 passes no gradient back.` };
  }
  const share = mean(Array.from(found, (byte) => Number(byte < 12.75 || byte > 242.25)));
  const sentence = "No gate keeps anything here: every step rewrites the whole state. Beyond ±0.9, tanh passes on less than a fifth of the gradient.";
  return { number: percent(share), label: "beyond ±0.9", sentence };
}

function pooled(known, data) {
  const sample = sampleOf(known);
  const top = data.indexOf(Math.max(...data));
  const even = 1 / data.filter((weight) => weight > 0).length; // padding has a weight of exactly 0
  const mark = sample?.marks[top];
  const where = `t = ${top}${mark ? ` (${mark})` : ""}`;
  const all = latest(known, "attention_on_keys/val");
  let sentence =
    data[top] < even * 2
      ? "The weights are almost even: the answer looks everywhere and nowhere."
      : `The answer looks most at ${where}, ${number(data[top] / even)} times as much as an even glance would.`;
  if (sample?.keys?.length) {
    const here = sample.keys.reduce((sum, t) => sum + data[t], 0);
    const validation = Number.isFinite(all) ? `, over the whole validation ${percent(all)}` : "";
    sentence = `${percent(here)} of the attention lies on the inputs that decide (marked by a bar)${validation}; an even glance would give them ${percent(sample.keys.length * even)}.`;
  }
  return { number: number(data[top]), label: `at t = ${top}`, sentence };
}

function aligned(known) {
  const map = looks(known.about, sampleOf(known), known.arrays);
  if (!map) return { number: "–", label: "largest", sentence: "" };
  const [rows, columns] = map.ends;
  let best = { weight: -1, row: 0, t: 0 };
  let sharp = 0;
  let counted = 0;
  for (let row = map.causal ? 1 : 0; row < rows; row++) {
    let top = { weight: -1, row, t: 0 };
    for (let t = 0; t < (map.causal ? row + 1 : columns); t++) if (map.value(row, t) > top.weight) top = { weight: map.value(row, t), row, t };
    sharp += top.weight;
    counted += 1;
    if (top.weight > best.weight) best = top;
  }
  const average = sharp / counted;
  const mark = sampleOf(known).marks[best.t];
  const sentence = !counted
    ? ""
    : average < 0.3
      ? "The weights are spread over many inputs: no step looks at one input in particular yet."
      : `On average a step gives ${percent(average)} to the one input it looks at most; step ${best.row} (${spoken(map.sign(best.row))}) looks most sharply, at t = ${best.t} (${spoken(mark)}).`;
  return { number: percent(average), label: "on one input", sentence };
}
