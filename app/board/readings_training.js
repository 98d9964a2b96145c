/** What the panels below the main ones say: over the training, of the weights, of the units, of many samples. */

import { judged } from "./gallery.js";
import { latest, mean, recent, sampleOf, solved } from "./known.js";
import { spoken } from "./marks.js";
import { count, number, percent, power } from "./text.js";

const SEEN = 1e-2; // of the last step's gradient: what training can see
const KEEPS = ["f", "z"];

/** @type {Object<string, (known: import("./known.js").Known) => import("./known.js").Reading>} */
export const TRAINING = {
  gradient_past(known) {
    const label = "first ÷ last";
    const past = upTo(known, known.panel?.past);
    if (!past.rows.length) return { number: "–", label, sentence: "Each row is a kept step of training: how much gradient arrived at each time step." };
    const end = past.rows[0].findLastIndex((value) => value > 0);
    const ratios = past.rows.map((row) => row[0] / row[Math.max(end, 0)]);
    const now = ratios.at(-1);
    return { number: power(now), label, sentence: reached(known, past.steps, ratios, now) };
  },

  attention_past(known) {
    const past = upTo(known, known.panel?.past);
    const sample = sampleOf(known);
    const keys = sample?.keys?.length && known.about.answering === "sequence" ? sample.keys : null;
    const label = keys ? "on the inputs that decide" : "largest weight";
    if (!past.rows.length) return { number: "–", label, sentence: "Each row is a kept step of training: where the attention lay." };
    const size = (row) => (keys ? keys.reduce((sum, t) => sum + row[t], 0) : Math.max(...row));
    const sizes = past.rows.map(size);
    const now = sizes.at(-1);
    const half = past.steps[sizes.findIndex((value) => value > 0.5)];
    const since = half === undefined ? "it has not passed a half yet" : half === past.steps[0] ? "" : `it first passed a half at step ${count(half)}`;
    const was = `At step ${count(past.steps[0])} ${keys ? `the inputs that decide had ${percent(sizes[0])} of the attention` : `the sharpest look gave ${percent(sizes[0])} to one input`}, ${here(known)} ${percent(now)}`;
    return { number: percent(now), label, sentence: `${was}${since ? `; ${since}` : ""}.` };
  },

  attention_keys(known) {
    const now = latest(known, "attention_on_keys/val");
    const chance = known.about.samples?.map((sample) => (sample.keys?.length ?? 0) / (sample.marks.filter(Boolean).length || 1));
    const even = chance?.length ? mean(chance) : NaN;
    const sentence = Number.isFinite(now)
      ? `Over the whole validation ${percent(now)} of the attention lies on the inputs that decide; an even glance would give them about ${percent(even)}.`
      : "Measured at each validation.";
    return { number: percent(now), label: "on key inputs", sentence };
  },

  gate_histograms(known) {
    const { about } = known;
    const layer = known.layer ?? about.layers?.[0];
    const keep = KEEPS.find((gate) => about.sigmoids?.includes(gate)) ?? about.quantities?.at(-1);
    const found = known.arrays?.get(`gate/${layer}.${keep}`);
    const label = `median of ${keep}`;
    if (!found) return { number: "–", label, sentence: "How often each value occurs, over all units and time steps of the chosen sample." };
    const low = about.sigmoids?.includes(keep) ? 0 : -1;
    const high = about.unbounded?.includes(keep) ? (known.arrays.get(`range/${layer}.${keep}`)?.data[0] ?? 1) : 1;
    const bytes = Uint8Array.from(inside(found, known)).sort();
    const value = (at) => low * high + (bytes[Math.floor(at * (bytes.length - 1))] / 255) * (high - low * high);
    const sentence = `Of the values of ${keep} half lie between ${number(value(0.25))} and ${number(value(0.75))}, all of them between ${number(value(0))} and ${number(value(1))}.`;
    return { number: number(value(0.5)), label, sentence };
  },

  stuck(known) {
    const { about } = known;
    const shares = [];
    for (const layer of about.layers ?? [])
      for (const gate of about.sigmoids ?? []) {
        const [low, high] = ["low", "high"].map((end) => known.arrays?.get(`stuck/${layer}.${gate}.${end}`)?.data);
        if (!low) continue;
        const shut = low.filter((share) => share > 229).length; // of 255: more than nine tenths of the time
        const open = high.filter((share) => share > 229).length;
        shares.push({ gate, layer, units: low.length, shut, open });
      }
    const label = "units stuck";
    if (!shares.length) return { number: "–", label, sentence: "How much of the time each unit's gates are nearly shut or nearly open." };
    const [units, shut, open] = ["units", "shut", "open"].map((name) => shares.reduce((sum, one) => sum + one[name], 0));
    const most = shares.reduce((best, one) => (one.shut + one.open > best.shut + best.open ? one : best));
    const sentence =
      shut + open === 0
        ? "No unit is shut or open for more than nine tenths of the time: all of them can still learn."
        : `Most in gate ${most.gate}${about.layers.length > 1 ? ` of ${most.layer}` : ""}: of its ${count(most.units)} units ${count(most.shut)} are shut and ${count(most.open)} open for more than nine tenths of the time.`;
    return { number: percent((shut + open) / units), label, sentence };
  },

  weights(known) {
    const { about } = known;
    const layer = known.layer ?? about.layers?.[0];
    const now = known.arrays?.get(`spread/${layer}.weight_hh`)?.data;
    const then = known.first?.()?.get(`spread/${layer}.weight_hh`)?.data;
    const label = "spread, recurrent";
    if (!now) return { number: "–", label, sentence: "How the weights of each gate spread around 0, beside the outline of step 0." };
    const all = Math.sqrt(mean(now.map((value) => value ** 2)));
    if (!then) return { number: number(all), label, sentence: "The standard deviation of the recurrent weights, which widens as they learn." };
    const growth = Array.from(now, (value, k) => ({ gate: about.gates[k], now: value, then: then[k], by: then[k] ? value / then[k] : value ? Infinity : 1 }));
    const most = growth.reduce((best, one) => (one.by > best.by ? one : best));
    const words = most.by > 1.01 ? `have spread most: a standard deviation of ${number(most.now)}, at step 0 of ${number(most.then)}` : `spread by ${number(most.now)}, as at step 0`;
    return { number: number(all), label, sentence: `The recurrent weights of gate ${most.gate} ${words}.` };
  },

  spectrum(known) {
    const { about } = known;
    const of = (arrays) => (about.layers ?? []).flatMap((layer) => (about.gates ?? []).map((gate) => ({ gate, values: arrays?.get(`spectrum/${layer}.${gate}`)?.data }))).filter(({ values }) => values);
    const now = of(known.arrays);
    const label = "largest";
    if (!now.length) return { number: "–", label, sentence: "What each gate's recurrent weights can stretch a state by, in every direction." };
    const top = now.reduce((best, one) => (one.values[0] > best.values[0] ? one : best));
    const then = of(known.first?.()).find(({ gate }) => gate === top.gate);
    const above = now.reduce((sum, { values }) => sum + values.filter((value) => value > 1).length, 0);
    const total = now.reduce((sum, { values }) => sum + values.length, 0);
    const before = then ? `, at step 0 ${number(then.values[0])}` : "";
    const step = known.arrays.get("validation/step")?.data[0];
    return { number: number(top.values[0]), label, sentence: `At the validation of step ${count(step)} the largest is gate ${top.gate}'s ${number(top.values[0])}${before}; ${percent(above / total)} of all lie above 1.` };
  },

  updates(known) {
    const { about } = known;
    const names = (about.layers ?? []).flatMap((layer) => (about.gates ?? []).map((gate) => `update_ratio/${layer}.weight_hh.${gate}`));
    const sizes = names.map((name) => recent(known, name, 3)).filter((size) => size > 0);
    const label = "per update";
    if (!sizes.length) return { number: "–", label, sentence: "How far an update moves the weights, as a share of their size, at every tenth step." };
    const usual = Math.exp(mean(sizes.map(Math.log)));
    const sentence =
      usual > 3e-2
        ? `An update moves the recurrent weights by ${number(usual * 100)}\u202f% of their size: so large a step shakes what was learned.`
        : usual < 1e-5
          ? `An update moves the recurrent weights by ${power(usual)} of their size: they hardly change any more.`
          : `An update moves the recurrent weights by ${number(usual * 1000)} thousandths of their size; about one is usual.`;
    return { number: number(usual), label, sentence };
  },

  gallery(known) {
    const found = judged(known.about, known.arrays);
    const step = known.arrays?.get("validation/step")?.data[0];
    if (!found) return { number: "–", label: "right", sentence: "The same validation samples during the whole run, with what the network says to each at every validation." };
    if (Number.isFinite(found[0]?.off)) {
      const off = mean(found.map((one) => one.off));
      const worst = found.reduce((most, one) => (one.off > most.off ? one : most));
      return { number: number(off), label: "off by, on average", sentence: `The worst at the validation of step ${count(step)}: it says ${worst.said} where ${worst.right} is right.` };
    }
    const right = found.filter(({ share }) => share === 1).length;
    const wrong = found.filter(({ share }) => share < 1);
    const surest = wrong.reduce((most, one) => (!most || one.sure > most.sure ? one : most), null);
    const sentence = !surest
      ? `All of these samples are right at the validation of step ${count(step)}.`
      : known.about.answering === "sequence"
        ? `The surest of its mistakes: ${percent(surest.sure)} for ${spoken(surest.said)} where ${spoken(surest.right)} is right.`
        : `The surest of those with a mistake: ${percent(surest.sure)} on average, with ${count(surest.asked - surest.wrong)} of ${count(surest.asked)} right.`;
    return { number: `${count(right)} of ${count(found.length)}`, label: known.about.answering === "sequence" ? "right" : "all right", sentence };
  },

  confusion(known) {
    const found = known.arrays?.get("confusion")?.data;
    const names = known.about.answers ?? [];
    if (!found) return { number: "–", label: "right", sentence: "Counted over the whole validation part at each validation." };
    const size = names.length;
    let [right, all] = [0, 0];
    let worst = { times: 0 };
    found.forEach((times, k) => {
      const [truth, said] = [Math.floor(k / size), k % size];
      all += times;
      if (truth === said) right += times;
      else if (times > worst.times) worst = { times, truth, said };
    });
    const step = known.arrays.get("validation/step")?.data[0];
    const when = `Counted at step ${count(step)}`;
    const sentence = worst.times ? `${when}: most often ${spoken(names[worst.said])} is answered where ${spoken(names[worst.truth])} is right, ${count(worst.times)} times.` : `${when}: every answer of the validation is right.`;
    return { number: percent(right / all), label: "of the validation right", sentence };
  },
};

/** What is known of the past up to the step that is shown. */
function upTo(known, past) {
  if (!past?.rows.length) return { steps: [], rows: [] };
  if (known.at === null) return past;
  const end = past.steps.findLastIndex((step) => step <= known.at) + 1;
  return { steps: past.steps.slice(0, end), rows: past.rows.slice(0, end) };
}

const here = (known) => (known.at === null ? "now" : `at step ${count(known.at)}`);

function reached(known, steps, ratios, now) {
  const { about } = known;
  if (about.answering === "steps" || about.generation) return "Every step has an answer of its own, so gradient enters at every step, from the beginning of the training on.";
  const began = ratios[0];
  if (solved(known)) return "Nearly every answer is right: what gradient is left is small at every time step.";
  if (!(began > 0) && !(now > 0)) return "No gradient has reached the first time step so far.";
  if (began >= SEEN && now >= SEEN) return `The first input has received a good part of the gradient since step ${count(steps[0])}.`;
  const first = steps[ratios.findIndex((ratio) => ratio >= SEEN)];
  const was = `At step ${count(steps[0])} the first input's gradient was ${power(began)} of the last one's`;
  if (first === undefined) return `${was}, ${here(known)} it is ${power(now)}: it has never been more than a hundredth.`;
  return now >= SEEN ? `${was}; at step ${count(first)} it first was more than a hundredth, ${here(known)} it is ${power(now)}.` : `${was}; after step ${count(first)} it fell back to ${power(now)}.`;
}

/** The bytes of a map without what stands behind the end of the chosen sample. */
function inside({ data, shape }, known) {
  const steps = shape?.[1] ?? data.length;
  const marks = sampleOf(known)?.marks ?? [];
  const end = marks.findLastIndex(Boolean) + 1 || steps;
  return end >= steps ? data : data.filter((_, k) => k % steps < end);
}
