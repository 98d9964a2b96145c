/** What each panel says: its one large number, and one sentence on what to notice. Pure functions of what is known. */

import { count, number, percent, power } from "./text.js";

/**
 * @typedef {Object} Known
 * @property {any} about
 * @property {any} scalars curves by name
 * @property {Map<string, any>} arrays the shown snapshot and sample
 * @property {any} state
 * @property {number|null} at the step scrubbed to
 * @typedef {{number?: string, label?: string, sentence?: string}} Reading
 */

const latest = (known, name) => (known.at === null ? known.scalars.get(name)?.last : known.scalars.get(name)?.at(known.at)) ?? NaN;
const recent = (known, name, n = 20) => known.scalars.get(name)?.mean(n, known.at ?? Infinity) ?? NaN;

/** The newest value of the run's metric: of the validation, once one was made after the first update. */
function measured(known) {
  const name = known.about.metric;
  const series = known.scalars.get(`${name}/val`);
  const validation = latest(known, `${name}/val`);
  const stale = series?.stepAt(known.at ?? Infinity) === 0 && known.at !== 0 && known.scalars.get(`${name}/train`)?.length > 1;
  return Number.isFinite(validation) && !stale
    ? { now: validation, label: "validation" }
    : { now: latest(known, `${name}/train`), label: "train" };
}

const solved = (known) => known.about.metric === "accuracy" && measured(known).now >= 0.99;
const mean = (data) => data.reduce((sum, value) => sum + value, 0) / data.length;

/** @type {Object<string, (known: Known) => Reading>} */
export const READINGS = {
  loss(known) {
    const now = latest(known, "loss/train");
    const smooth = recent(known, "loss/train");
    const validation = latest(known, "loss/val");
    const meanwhile = known.scalars.get("loss/train")?.mean(20, known.scalars.get("loss/val")?.stepAt(known.at ?? Infinity));
    const chance = known.about.chance?.loss;
    const rival = known.about.forecast ? "repeating the last value" : "guessing";
    let sentence = "The loss of each batch, before the update that it causes.";
    if (Number.isFinite(smooth) && chance) {
      if (smooth > chance * 1.1) sentence = `The loss is above the dotted line: worse than ${rival}.`;
      else if (smooth > chance * 0.97) sentence = `The loss stays at the dotted line: no better than ${rival} yet.`;
      else if (smooth > chance * 0.5) sentence = `The loss has left the dotted line: the network begins to beat ${rival}.`;
      else sentence = `The loss is ${number(chance / smooth)} times below the dotted line of ${rival}.`;
      if (validation > meanwhile * 1.5 && validation > chance * 0.25 && meanwhile < chance * 0.9)
        sentence = "Validation stays well above training: the network learns these examples by heart.";
    }
    return { number: number(now), label: "train", sentence };
  },

  metric(known) {
    const name = known.about.metric;
    const { now, label } = measured(known);
    const chance = known.about.chance?.[name];
    let sentence = "The dotted line is what no learning at all would reach.";
    if (name === "accuracy" && Number.isFinite(now)) {
      if (now >= 0.99) sentence = "Solved: at least 99 % of the answers are right.";
      else if (now < chance + 0.05) sentence = `About ${percent(chance)} right is chance: the network has found nothing yet.`;
      else sentence = `${percent(now)} of the answers are right; chance would be ${percent(chance)}.`;
    } else if (Number.isFinite(now) && chance) {
      if (now < chance * 0.98) sentence = `The error is ${percent(1 - now / chance)} smaller than that of repeating the last value.`;
      else sentence = "Repeating the last value does as well: as a forecast this is worth nothing yet.";
    }
    const text = name === "accuracy" ? percent(now) : number(now);
    return { number: text, label: `${label} ${name === "mae" ? "error" : name}`, sentence };
  },

  lag(known) {
    const now = latest(known, "lag/val");
    const sentence = !Number.isFinite(now)
      ? "Measured at each validation."
      : now === 0
        ? "The forecast turns when the truth turns."
        : `The forecast is best matched by the value ${count(now)} step${now === 1 ? "" : "s"} earlier: it copies what it has just seen.`;
    return { number: Number.isFinite(now) ? count(now) : "–", label: "steps behind", sentence };
  },

  gradient_norms(known) {
    const total = latest(known, "grad_norm/total");
    const usual = recent(known, "grad_norm/total", 100);
    const clipping = known.state && known.state.clip && known.state.clip !== "none";
    if (clipping) {
      const share = clipped(known, 100);
      const sentence =
        share > 0.5
          ? "Most steps are clipped: the threshold, more than the gradient, sets the length of the steps."
          : share > 0
            ? "Clipping cuts the rare long gradients and leaves the others as they are."
            : `No ${known.state.clip === "value" ? "single entry of a gradient" : "gradient"} of the last 100 steps went beyond the threshold: clipping does nothing now.`;
      return { number: percent(share), label: "clipped, last 100", sentence };
    }
    let sentence = "The whole gradient, and the part of each gate's recurrent weights.";
    if (total > usual * 10) sentence = "This gradient is ten times as long as usual: such a step can destroy what was learned.";
    else if (usual > 100) sentence = "Gradients this long throw the weights about: try clipping by norm.";
    else if (usual < 1e-4) sentence = "There is hardly any gradient left: the weights stand still.";
    else {
      const gates = weakest(known);
      if (gates) sentence = `The recurrent weights of gate ${gates.low} get ${number(gates.ratio)} times less gradient than those of ${gates.high}.`;
    }
    return { number: number(total), label: "norm", sentence };
  },

  gradient_time(known) {
    const layer = known.about.layers?.[0];
    const data = known.arrays?.get(`gradient/${layer}.h`)?.data;
    const label = "first ÷ last";
    if (!data?.length) return { number: "–", label, sentence: "How much the loss would change if the state at each time step changed." };
    const first = data[0];
    const last = data[data.length - 1];
    const ratio = first / last;
    const size = power(ratio);
    let sentence;
    const bptt = known.about.bptt_length;
    const cut = known.about.attention === "none" && bptt && bptt < data.length && first === 0;
    if (solved(known)) sentence = "Nearly every answer is right: little is left to learn, so little gradient is left.";
    else if (cut) sentence = `Backpropagation is cut every ${count(bptt)} time steps: no gradient reaches the first input.`;
    else if (!(last > 0) && !(first > 0)) sentence = "No gradient reaches any time step.";
    else if (first < 1.2e-38) sentence = "The first input's gradient is smaller than the numbers of training can hold: it counts as zero.";
    else if (ratio < 1e-5) sentence = `The first input's gradient is ${size} of the last one's: training cannot see it.`;
    else if (ratio < 1e-2) sentence = `The first input's gradient is ${size} of the last one's: learning from it is slow.`;
    else if (ratio < 100) sentence = "The gradient reaches the first input about as strongly as the last: training can see it.";
    else sentence = `The gradient grows by ${size} on its way back to the first input: it may explode, and clipping helps.`;
    if (known.about.attention !== "none" && !solved(known) && ratio >= 1e-2 && ratio < 100)
      sentence = "Attention carries the gradient to every time step directly, whatever the cell forgets.";
    return { number: size, label, sentence };
  },

  gates(known) {
    const layer = known.layer ?? known.about.layers?.[0];
    const saturation = known.about.gates
      ?.map((gate) => ({ gate, share: known.arrays?.get(`saturation/${layer}.${gate}`)?.data[0] }))
      .filter(({ share }) => Number.isFinite(share));
    const label = "saturated";
    if (!saturation?.length) return { number: "–", label, sentence: "Each row is a unit, each column a time step of the chosen sample." };
    const share = mean(saturation.map((one) => one.share));
    const forget = known.arrays.get(`gate/${layer}.f`)?.data;
    let sentence = "Saturated gates (below 0.1 or above 0.9) pass on almost no gradient to their own weights.";
    if (forget) {
      const f = mean(forget) / 255;
      const memory = 1 / Math.max(1 - f, 1 / 2000);
      sentence = `The forget gate is ${number(f)} on average: the cell keeps a value for about ${number(memory)} time steps, of ${count(known.about.T)}.`;
    }
    return { number: percent(share), label, sentence };
  },

  attention(known) {
    const data = known.arrays?.get("attention")?.data;
    if (!data) return { number: "–", label: "largest", sentence: "The weights add up to 1 over the time steps." };
    const top = data.indexOf(Math.max(...data));
    const even = 1 / data.length;
    const mark = known.about.samples?.[known.sample]?.marks[top];
    const where = `t = ${top}${mark === undefined ? "" : ` (${mark})`}`;
    const sentence =
      data[top] < even * 2
        ? "The weights are almost even: the answer looks everywhere and nowhere."
        : `The answer looks most at ${where}, ${number(data[top] / even)} times as much as an even glance would.`;
    return { number: number(data[top]), label: `at t = ${top}`, sentence };
  },

  forecast(known) {
    const { truth, persistence, unit, split = 0 } = known.about.forecast ?? {};
    const prediction = known.arrays?.get("forecast/prediction")?.data;
    const label = "error, validation";
    if (!prediction || !truth) return { number: "–", label, sentence: "The prediction appears beside the truth with the first snapshot." };
    const error = (series) => mean(truth.slice(split).map((value, k) => Math.abs(value - series[split + k])));
    const [own, copy] = [error(prediction), error(persistence)];
    const sentence =
      own < copy * 0.98
        ? `After the line, the forecast is off by ${number(own)} ${unit}, a copy of the last value by ${number(copy)}.`
        : `After the line, a mere copy of the last value (off by ${number(copy)}) is ${own > copy * 1.02 ? "better" : "as good"}: do not trust how close the lines look.`;
    return { number: number(own), label, sentence };
  },
};

/** The share of the last n steps whose gradient was shortened. */
function clipped(known, n) {
  const before = known.scalars.get("grad_norm/total");
  const after = known.scalars.get("grad_norm/clipped");
  if (!before?.length || !after?.length) return NaN;
  const size = Math.min(n, before.length, after.length);
  let cut = 0;
  for (let k = 1; k <= size; k++) if (after.y[after.length - k] < before.y[before.length - k] * 0.9999) cut++;
  return cut / size;
}

function weakest(known) {
  const layer = known.about.layers?.[0];
  const norms = (known.about.gates ?? []).map((gate) => ({ gate, norm: recent(known, `grad_norm/${layer}.weight_hh.${gate}`) }));
  if (norms.length < 2 || !norms.every(({ norm }) => norm > 0)) return null;
  norms.sort((a, b) => a.norm - b.norm);
  return { low: norms[0].gate, high: norms.at(-1).gate, ratio: norms.at(-1).norm / norms[0].norm };
}
