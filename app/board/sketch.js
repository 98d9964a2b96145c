/** An input of numbers as a small picture: an image where its steps are rows or pixels, a line where it is a series. */

import { el } from "./dom.js";

const SIDE = 56; // px

/** @param {{values: number[][], marks: string[]}} sample @returns {HTMLElement} */
export function sketch({ values, marks }) {
  const flat = values.flat();
  const side = Math.round(Math.sqrt(flat.length));
  return side * side === flat.length && /^(row|pixel) /.test(marks[0] ?? "") ? image(flat, side) : line(values);
}

function image(flat, side) {
  const canvas = el("canvas.lab-sketch", { width: side, height: side, role: "img", "aria-label": "the scan that is read" });
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(side, side);
  flat.forEach((value, k) => pixels.data.set([128, 128, 128, Math.round(255 * value)], 4 * k));
  pen.putImageData(pixels, 0, 0);
  return canvas;
}

function line(values) {
  const series = values.map(([first]) => first);
  const [low, high] = [Math.min(...series), Math.max(...series)];
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const place = (value, t) => `${((t / Math.max(1, series.length - 1)) * 3 * SIDE).toFixed(1)},${(SIDE - 4 - ((value - low) / (high - low || 1)) * (SIDE - 8)).toFixed(1)}`;
  const curve = document.createElementNS(space, "polyline");
  curve.setAttribute("points", series.map(place).join(" "));
  svg.append(curve);
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${3 * SIDE} ${SIDE}`, class: "lab-sketch", role: "img", "aria-label": "the values that are read" }))
    svg.setAttribute(name, value);
  return svg;
}
