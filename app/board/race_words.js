/** What is said of a race: how it stands, what its pictures show, what became of one run. */

import { count, duration, number, power } from "./text.js";

const MANY = 5; // values that one sentence can name

/** @returns {{word: string, rest: string, tone: "calm"|"live"|"done"|"bad"}} */
export function standing(about) {
  if (!about) return { word: "", rest: "reading what was measured…", tone: "calm" };
  const { runs, over, begun, others, line, failed, stopped, stopping, paused, seconds } = about.state;
  const join = (...parts) => parts.filter(Boolean).join(" · ");
  const ended = join(failed && `${failed} failed`, stopped && `${stopped} stopped`);
  if (!runs) return { word: "empty", rest: "all of its runs were deleted; add seeds to run it again", tone: "calm" };
  if (over === runs) {
    const word = stopped === runs ? "stopped" : failed === runs ? "failed" : "finished";
    return { word, rest: join(`${count(runs)} ${runs === 1 ? "run" : "runs"}`, word === "finished" ? ended : ""), tone: failed === runs ? "bad" : "done" };
  }
  const place = `${count(over)} of ${count(runs)} runs over`;
  if (stopping) return { word: "stopping…", rest: place, tone: "live" };
  if (paused) return { word: "paused", rest: place, tone: "calm" };
  const left = Number.isFinite(seconds) && seconds !== null ? `about ${duration(seconds)} left` : "";
  const wait = others ? `${count(others)} other ${others === 1 ? "run waits" : "runs wait"} as well` : "";
  if (!begun) return { word: "waiting", rest: line ? `its first run is ${line}` : join(`${count(runs)} runs in line`, wait), tone: "calm" };
  return { word: "running", rest: join(place, left, ended, wait), tone: "live" };
}

/** The large number, its label and the sentence of a panel. */
export function readingOf(panel, about) {
  return panel === "metric" ? ofMetric(about) : ofLoss(about);
}

function ofMetric(about) {
  const { rows, values, share, metric, state } = about;
  if (!share) {
    const known = rows.filter((row) => row.final);
    if (!known.length) return { number: "–", label: "validation", sentence: "Nothing was validated yet." };
    const best = known.reduce((a, b) => (b.final[0] < a.final[0] ? b : a));
    const sentence = known.slice(0, MANY).map((row) => `${values[row.value]}: ${number(row.final[0])}`).join("; ");
    return { number: number(best.final[0]), label: `lowest ${metric}, ${values[best.value]}`, sentence: `Validation, median of the seeds. ${sentence}.` };
  }
  const solved = rows.reduce((sum, row) => sum + row.solved, 0);
  const each = [...rows].filter((row) => row.runs).sort((a, b) => b.solved / b.runs - a.solved / a.runs || (a.steps?.[0] ?? 0) - (b.steps?.[0] ?? 0));
  const said = each.slice(0, MANY).map((row) => `${values[row.value]}: ${row.solved} of ${row.runs}${row.steps ? ` after ${count(row.steps[0])} steps` : ""}`);
  const more = each.length > MANY ? `; ${each.length - MANY} more are in the table` : "";
  const open = state.over < state.runs ? " so far" : "";
  const sentence = each.length ? `Solved${open} (99 % right over ${about.window} steps in a row): ${said.join("; ")}${more}.` : "";
  return { number: `${solved} of ${state.runs}`, label: `runs solved${open}`, sentence };
}

function ofLoss(about) {
  const { rows, values, width } = about;
  const mean = width > 1 ? ` Each point is the mean of ${count(width)} steps.` : "";
  const ratios = rows.filter((row) => row.before).map((row) => row.before[0]);
  const label = "gradient first ÷ last, at step 0";
  const sentence = `The thick line is the median of a value's seeds, the band reaches from the least to the greatest of them.${mean}`;
  if (!ratios.length) return { number: "", label: "", sentence };
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return { number: rows.length > 1 && power(low) !== power(high) ? `${power(low)} … ${power(high)}` : power(low), label, sentence };
}

/** One run in a sentence. */
export function runWords(run, about) {
  const name = `${about.values[run.value]}, seed ${run.seed}:`;
  const place = `${run.status} at step ${count(Math.max(run.step, 0))} of ${count(run.steps)}`;
  const solved = !about.share ? "" : run.solved === null ? ", not solved" : `, solved at step ${count(run.solved)}`;
  const final = run.final === null ? "" : `, validation ${number(run.final)}`;
  return `${name} ${place}${solved}${final}${run.error ? `: ${run.error}` : ""}.`.replace("..", ".");
}
