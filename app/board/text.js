/** Numbers and states in words: three significant digits, thin-space thousands, real minus signs, 10⁻⁹. */

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const THIN = "\u2009";

export const raised = (n) => String(n).replace(/[-0-9]/g, (c) => RAISED[c]);

/** A whole number: 12 345 with thin spaces. */
export function count(n) {
  if (!Number.isFinite(n)) return "–";
  return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, THIN).replace("-", "−");
}

/** A measured number with three significant digits. */
export function number(value) {
  if (value == null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${digits.replace("-", "−")}${THIN}×${THIN}10${raised(Number(power))}`;
  }
  const rounded = Number(value.toPrecision(3)); // 999.6 has become 1000
  return Math.abs(rounded) >= 1000 ? count(rounded) : value.toPrecision(3).replace("-", "−");
}

/** A size by its power of ten alone: 10⁻⁹. */
export function power(value) {
  if (!(value > 0)) return value === 0 ? "0" : "–";
  const exponent = Math.round(Math.log10(value));
  return Math.abs(exponent) < 2 ? number(value) : `10${raised(exponent)}`;
}

export const percent = (share) => (Number.isFinite(share) ? `${count(share * 100)}\u202f%` : "–");

/** Seconds as a person says them. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/**
 * The state of a run in the words of the head line.
 * @param {any} state the last state message, or null
 * @param {string} link how the live line is
 * @param {boolean} sharing whether the run ran a moment ago: runs take turns of a second, which is no news
 * @param {number} best the step of the best validation, where it is known
 * @returns {{word: string, rest: string, tone: "calm"|"live"|"done"|"bad"}}
 */
export function describe(state, link, sharing = false, best = NaN) {
  if (!state) return { word: "", rest: link === "live" ? "looking for the run" : "connecting", tone: "calm" };
  const place = `${count(Math.max(state.step, 0))} / ${count(state.steps)}`;
  const speed = state.speed ? `${number(state.speed)} steps/s` : "";
  const left = Number.isFinite(state.remaining) && state.remaining !== null ? `${duration(state.remaining)} left` : "";
  const join = (...parts) => parts.filter(Boolean).join(" · ");
  switch (state.status === "queued" && state.desired === "running" && sharing ? "running" : state.status) {
    case "queued":
      if (state.desired === "stopped") return { word: "stopping…", rest: place, tone: "calm" };
      if (state.desired === "paused") return { word: "paused", rest: place, tone: "calm" };
      if (state.engine === "starting")
        return { word: "starting up", rest: "the workers are loading; the first time takes a few seconds", tone: "calm" };
      if (state.queue) return { word: "waiting", rest: state.queue.words, tone: "calm" };
      return { word: "starting", rest: state.step >= 0 ? place : "the first point comes in a moment", tone: "calm" };
    case "running":
      if (state.desired === "paused") return { word: "pausing…", rest: place, tone: "live" };
      if (state.desired === "stopped") return { word: "stopping…", rest: place, tone: "live" };
      if (state.target != null && state.target < state.steps)
        return { word: "stepping", rest: `${place}, to ${count(state.target)}`, tone: "live" };
      return { word: "running", rest: join(place, speed, left), tone: "live" };
    case "paused":
      return { word: state.desired === "running" ? "resuming…" : "paused", rest: place, tone: "calm" };
    case "finished":
      if (state.step < state.steps) {
        const why = Number.isFinite(best) ? `no better validation since step ${count(best)}` : "";
        return { word: "finished early", rest: join(`at step ${count(state.step)}: ${why}`.replace(/: $/, ""), duration(state.elapsed)), tone: "done" };
      }
      return { word: "finished", rest: join(`${count(state.steps)} steps`, duration(state.elapsed)), tone: "done" };
    case "stopped":
      return { word: "stopped", rest: join(place, duration(state.elapsed)), tone: "calm" };
    case "failed":
      return { word: "failed", rest: `at step ${count(state.error?.step ?? state.step)}`, tone: "bad" };
    case "interrupted":
      return { word: "interrupted", rest: `${place} · resumes by itself from its last checkpoint`, tone: "bad" };
    default:
      return { word: state.status, rest: place, tone: "calm" };
  }
}
