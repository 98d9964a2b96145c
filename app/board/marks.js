/** The marks of a sample: how long it is, which of its marks are written, and how they are said. */

/** How many steps a sequence has: behind its end its marks are empty. */
export function length(marks) {
  let end = marks.length;
  while (end && !marks[end - 1]) end--;
  return end;
}

/** A mark in quotes within a sentence. */
export const spoken = (mark) => `‘${mark}’`;

/** The smallest 1, 2, 5, 10, 20 … that is at least as large. */
export function nice(least) {
  for (let power = 1; ; power *= 10) for (const digit of [1, 2, 5]) if (digit * power >= least) return digit * power;
}

/** A number for the end of a scale. */
export const short = (value) => (value == null ? "" : Number(value.toPrecision(3)).toString().replace("-", "−"));

/** As much of a text as has room. */
export function fits(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length - 1;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}

/** The steps whose marks are written, at least `apart` from one another: those that decide before all others. */
export function written(steps, keys, apart) {
  const first = keys.reduce((kept, t) => (kept.length && t - kept.at(-1) < apart ? kept : [...kept, t]), []);
  const rest = Array.from({ length: Math.ceil(steps / apart) }, (_, k) => k * apart);
  return [...first, ...rest.filter((t) => first.every((key) => Math.abs(key - t) >= apart))];
}
