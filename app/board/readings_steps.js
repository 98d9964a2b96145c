/** What the panels over the steps of training say: the loss, the metric, the norms of the gradient, the rate. */

import { SHORT, isShare, latest, measured, recent } from "./known.js";
import { count, number, percent } from "./text.js";

const SHARES = { accuracy: "of the answers are right", exact: "of the answers are right from beginning to end" };

/** @type {Object<string, (known: import("./known.js").Known) => import("./known.js").Reading>} */
export const STEPS = {
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
      else if (smooth > chance * 0.93) sentence = `The loss stays at the dotted line: no better than ${rival} yet.`;
      else if (smooth > chance * 0.5) sentence = `The loss has left the dotted line: the network begins to beat ${rival}.`;
      else if (smooth === 0) sentence = "The loss is 0: every answer is right and given with all certainty.";
      else sentence = `The loss is ${number(chance / smooth)} times below the dotted line of ${rival}.`;
      if (validation > meanwhile * 1.5 && validation > chance * 0.25 && meanwhile < chance * 0.9)
        sentence = "Validation stays well above training: the network learns these examples by heart.";
    }
    return { number: number(now), label: "train", sentence };
  },

  metric(known) {
    const name = known.about.metric;
    const { now, label } = measured(known);
    const sentence = tested(known) ?? ((isShare(name) ? share : name === "bits" ? bits : error)(known, now) || "The dotted line is what no learning at all would reach.");
    return { number: isShare(name) ? percent(now) : number(now), label: `${label} ${SHORT[name] ?? name}`, sentence };
  },

  learning_rate(known) {
    const { schedule = "constant", warmup = 0 } = known.about;
    const later = {
      constant: "stays as it is",
      step: "is halved now and then",
      cosine: "falls along a cosine to 0",
    }[schedule];
    const rising = warmup ? `The rate rises over the first ${count(warmup)} steps` : "";
    const sentence = rising ? `${rising}, and then ${later}.` : `The rate ${later}: large steps search, small ones settle.`;
    return { number: number(latest(known, "learning_rate")), label: "now", sentence };
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
    const single = (known.about.gates ?? []).length < 2;
    let sentence = `The whole gradient, and the part of ${single ? "the" : "each gate's"} recurrent weights.`;
    if (total > usual * 10) sentence = "This gradient is ten times as long as usual: such a step can destroy what was learned.";
    else if (usual > 100) sentence = "Gradients this long throw the weights about: try clipping by norm.";
    else if (usual < 1e-4) sentence = "There is hardly any gradient left to learn from.";
    else {
      const gates = weakest(known);
      if (gates) sentence = `The recurrent weights of gate ${gates.low} get ${number(gates.ratio)} times less gradient than those of ${gates.high}.`;
    }
    return { number: number(total), label: "norm", sentence };
  },
};

/** The one test at the end, with the weights that it was made with. */
function tested(known) {
  const name = known.about.metric;
  const result = latest(known, `${name}/test`);
  const best = latest(known, "best/step");
  if (!Number.isFinite(result) || !Number.isFinite(best)) return null;
  const unit = known.about.metric_unit ? ` ${known.about.metric_unit}` : "";
  const text = isShare(name) ? `${number(result * 100)}\u202f%${name === "exact" ? " exact" : ""}` : `${number(result)}${unit}`;
  const copy = latest(known, "persistence/test");
  const rival = Number.isFinite(copy) ? `, where repeating the last value is off by ${number(copy)}` : "";
  return `Test: ${text} with the weights of step ${count(best)}, the best validation${rival}.`;
}

function share(known, now) {
  const name = known.about.metric;
  const chance = known.about.chance?.[name];
  if (!Number.isFinite(now)) return "";
  if (now >= 0.99) return `Solved: at least ${percent(0.99)} ${SHARES[name]}.`;
  const signs = measured(known, "accuracy").now;
  const besides = name === "exact" && Number.isFinite(signs) ? `; of single signs ${percent(signs)}` : "";
  if (chance === undefined) return `${percent(now)} ${SHARES[name]}${besides}.`;
  if (now < chance + 0.05 && name === "accuracy") return `About ${percent(chance)} right is chance: the network has found nothing yet.`;
  return `${percent(now)} ${SHARES[name]}${besides}${name === "accuracy" ? `; chance would be ${percent(chance)}` : ""}.`;
}

function bits(known, now) {
  const uniform = known.about.chance?.bits;
  if (!Number.isFinite(now) || !uniform) return "";
  if (now > uniform * 0.97) return `Guessing evenly among all signs needs ${number(uniform)} bits: nothing is learned yet.`;
  return `Each sign costs ${number(now)} bits; guessing evenly among all signs would cost ${number(uniform)}. Smaller is better.`;
}

function error(known, now) {
  const chance = known.about.chance?.[known.about.metric];
  if (!Number.isFinite(now) || !chance) return "";
  if (known.about.forecast)
    return now < chance * 0.98
      ? `The error is ${percent(1 - now / chance)} smaller than that of repeating the last value.`
      : "Repeating the last value does as well: as a forecast this is worth nothing yet.";
  return now < chance * 0.98
    ? `The error is ${percent(1 - now / chance)} smaller than that of the best constant answer, the dotted line.`
    : "One and the same answer to everything does as well: nothing is learned yet.";
}

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
