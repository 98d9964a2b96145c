/** What each panel says: its one large number, and one sentence on what to notice. Pure functions of what is known. */

import { summary } from "./findings.js";
import { STEPS } from "./readings_steps.js";
import { TIME } from "./readings_time.js";
import { TRAINING } from "./readings_training.js";
import { WORDS } from "./readings_words.js";

/** @type {Object<string, (known: import("./known.js").Known) => import("./known.js").Reading>} by panel */
export const READINGS = { ...STEPS, ...TIME, ...WORDS, ...TRAINING, findings: ({ findings }) => summary(findings) };
