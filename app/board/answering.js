/** What a network answers on a sample, worked out once for the pictures and for the sentences. Pure functions. */

import { length } from "./marks.js";

/** Probabilities that scores stand for. */
export function softmax(scores) {
  const top = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/**
 * One answer among classes.
 * @returns {{shares: number[], said: number, right: number, correct: boolean}|null}
 */
export function classes(about, sample, arrays) {
  const scores = arrays?.get("prediction")?.data;
  if (!scores || !sample || !about.answers) return null;
  const shares = softmax(scores);
  const said = shares.indexOf(Math.max(...shares));
  return { shares, said, right: about.answers.indexOf(sample.target), correct: about.answers[said] === sample.target };
}

/** One answer that is a number, in its own unit: in words as exact as the truth's, and how far the two are apart. */
export function value(about, sample, arrays) {
  const scaled = arrays?.get("prediction")?.data?.[0];
  if (scaled === undefined || !sample || !about.scale) return null;
  const [zero, one] = about.scale;
  const answer = zero + scaled * (one - zero);
  const truth = parseFloat(sample.target);
  const decimals = /\.(\d+)/.exec(sample.target)?.[1].length ?? 0;
  const words = `${answer.toFixed(decimals)} ${about.metric_unit ?? ""}`.trim().replace("-", "−");
  return { words, off: Math.abs(answer - truth) };
}

/**
 * Answers of several steps, one cell for each step of the input or of the answer.
 * @returns {{cells: {input: string, right: string, said: string, sure: number, wrong: boolean}[], asked: number,
 *            correct: number}|null}
 */
export function signs(about, sample, arrays) {
  const answers = arrays?.get("answer")?.data;
  const sure = arrays?.get("confidence")?.data;
  if (!sample?.targets) return null;
  const count = Math.max(length(sample.marks), length(sample.targets));
  const cells = Array.from({ length: count }, (_, k) => {
    const right = sample.targets[k] ?? "";
    const said = right && answers ? (about.answers?.[answers[k]] ?? "") : "";
    return { input: sample.marks[k] ?? "", right, said, sure: sure?.[k] ?? NaN, wrong: said !== "" && said !== right };
  });
  const asked = cells.filter((cell) => cell.right).length;
  return { cells, asked, correct: answers ? cells.filter((cell) => cell.right && !cell.wrong).length : NaN };
}

/** The answer in a few words. */
export function inShort(about, sample, arrays) {
  if (!sample) return "";
  if (about.answering !== "sequence") {
    const found = signs(about, sample, arrays);
    return found && Number.isFinite(found.correct) ? `${found.correct} of ${found.asked} right` : "";
  }
  if (!about.answers) {
    const found = value(about, sample, arrays);
    return found ? `answers ${found.words}, right is ${sample.target}` : "";
  }
  const found = classes(about, sample, arrays);
  if (!found) return "";
  const answer = about.answers[found.said];
  return found.correct ? `answers ${answer}, which is right` : `answers ${answer}, right is ${sample.target}`;
}

/** The text that was written at one temperature. */
export function written(about, arrays, row) {
  const found = arrays?.get("generated");
  const told = about.generation;
  if (!found || !told) return null;
  const long = found.shape[1];
  return Array.from(found.data.subarray(row * long, (row + 1) * long), (token) => told.signs[token] ?? "").join("");
}
