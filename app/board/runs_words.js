/** What the table of runs says: its columns, the states to choose from, the buttons and why one does not act. */

import { SHORT, isShare } from "./known.js";
import { count, describe, duration, number, percent } from "./text.js";

const OVER = ["finished", "stopped", "failed"];
const going = (row) => !OVER.includes(row.status) && row.status !== "paused";
const here = (row) => row.deleted === null;

/** [value in the address, words, which runs] */
export const STATES = [
  ["", "All states", here],
  ["going", "Running or waiting", (row) => here(row) && going(row)],
  ["paused", "Paused", (row) => here(row) && row.status === "paused"],
  ["finished", "Finished", (row) => here(row) && row.status === "finished"],
  ["stopped", "Stopped", (row) => here(row) && row.status === "stopped"],
  ["failed", "Failed", (row) => here(row) && row.status === "failed"],
  ["deleted", "Deleted", (row) => !here(row)],
];

/** Whether a run counts as one's own, and whether it may be changed. @param {{mark: string, local: boolean, all: boolean}} me */
export const mine = (row, me) => (row.by === null ? me.local : row.by === me.mark);
export const changeable = (row, me) => me.all || mine(row, me);

/** [value in the address, words]; "" is one's own runs, once there are any. */
export const WHOSE = [
  ["", "Mine"],
  ["all", "Everybody’s"],
];

const text = (of) => (a, b) => of(a).localeCompare(of(b), undefined, { numeric: true, sensitivity: "base" });
const size = (of) => (a, b) => of(a) - of(b);
const ORDER = ["running", "queued", "interrupted", "paused", "failed", "stopped", "finished"];

/** How good the best metric is, so that of two shares and of two errors the better one is the greater. */
const goodness = (row) => (row.best === null ? -Infinity : isShare(row.metric) ? row.best : -row.best);

export const COLUMNS = [
  { name: "run", label: "Run", compare: text((row) => row.name ?? row.title) },
  { name: "task", label: "Task", compare: text((row) => row.task_title) },
  { name: "initializer", label: "Initializer", compare: text((row) => row.initializer) },
  { name: "curve", label: "Loss", compare: size((row) => row.loss ?? Infinity) },
  { name: "best", label: "Best", compare: size(goodness) },
  { name: "state", label: "State", compare: size((row) => ORDER.indexOf(row.status)) },
  { name: "steps", label: "Steps", compare: size((row) => row.step) },
  { name: "age", label: "Age", compare: size((row) => row.created) },
];

/** The best metric of the validation in words. */
export function best(row) {
  if (row.best === null) return "–";
  const name = SHORT[row.metric] ?? row.metric;
  return isShare(row.metric) ? `${percent(row.best)} ${name}` : `${number(row.best)} ${row.unit || name}`;
}

export const stateOf = (row, { waiting, engine }) =>
  row.deleted !== null
    ? { word: "deleted", rest: "", tone: "calm" }
    : describe({ ...row, engine, queue: waiting.has(row.id) ? { words: waiting.get(row.id)[0] } : null }, "live");

/** What beside its name tells of a run how it is kept. */
export const keeping = (row) => [row.pinned ? "pinned" : "", row.thinned === null ? "" : "thinned"].filter(Boolean).join(" · ");

export const steps = (row) => `${count(Math.max(row.step, 0))} / ${count(row.steps)}`;

export function age(row, now) {
  const seconds = Math.max(now - (row.deleted ?? row.created), 0);
  if (seconds < 5400) return seconds < 10 ? "now" : duration(seconds);
  return seconds < 86400 * 2 ? duration(seconds) : `${count(seconds / 86400)} days`;
}

/**
 * What can be done with the chosen runs. `fits` says of one run why not, "" where it can be done; `most` and `least`
 * are how many may be chosen. With `own` it is for those who may change the run.
 */
export const ACTIONS = [
  { name: "open", label: "Open", help: "Shows the run in the Lab with its settings.", most: 1 },
  { name: "compare", label: "Compare", help: "Draws their losses and metrics over each other.", least: 2, most: 8 },
  { name: "copy", label: "Copy", help: "Puts the settings of the run into the Lab, for a run of your own.", most: 1 },
  { name: "rename", label: "Rename", help: "Gives the run another name.", most: 1, own: true },
  { name: "resume", label: "Resume", help: "Goes on where the run was held.", fits: (row) => (["paused", "stopped"].includes(row.status) ? "" : "Only a paused or stopped run can be resumed."), own: true },
  { name: "extend", label: "Train on", help: "Gives a finished run as many steps again.", fits: (row) => (row.status === "finished" ? "" : "Only a finished run can be trained on."), own: true },
  { name: "pause", label: "Pause", help: "Holds the run; it can be resumed.", fits: (row) => (going(row) ? "" : "Only a run that is running or waiting can be paused."), own: true },
  { name: "fork", label: "Fork", help: "Begins a new run that goes on from here with the settings of the Lab, and opens it there.", most: 1, fits: (row) => (row.step >= 0 ? "" : "The run has recorded no step to go on from."), own: true },
  { name: "pin", label: "Pin", help: "Keeps the run whole when the store needs room; others are thinned then, the oldest first.", fits: (row) => (row.pinned ? "This run is pinned already." : ""), own: true },
  { name: "unpin", label: "Unpin", help: "Lets the run be thinned when the store needs room.", fits: (row) => (row.pinned ? "" : "Only a pinned run can be unpinned."), own: true },
  { name: "delete", label: "Delete", help: "Takes the run out of the list and stops it; for 24 hours it can be had back.", own: true },
  { name: "restore", label: "Take back", help: "Puts the run into the list again; what was running is stopped.", thrown: true, own: true },
  { name: "remove", label: "Remove for good", help: "Frees the space now; nothing brings the run back.", thrown: true, own: true },
];

/** Why an action cannot be taken with the chosen runs by whoever looks; "" where it can. */
export function applies({ least = 1, most = Infinity, fits = () => "", own = false }, chosen, me) {
  if (chosen.length < least) return least === 1 ? "Choose a run first." : `Choose at least ${least} runs.`;
  if (chosen.length > most) return most === 1 ? "Choose only one run." : `Choose at most ${most} runs.`;
  if (own && !chosen.every((row) => changeable(row, me))) return `${most === 1 || chosen.length === 1 ? "This run belongs" : "Some of these belong"} to someone else: open, compare or copy ${chosen.length === 1 ? "it" : "them"}.`;
  return chosen.map(fits).find(Boolean) ?? "";
}
