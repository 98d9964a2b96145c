/** The colours, maps and type of this page, and the two files that the board needs besides its modules. */

import { el } from "./dom.js";

/** The style sheet, so that nothing is seen without it for long; then plotly, while the maps already draw. */
export function load({ css, plotly }, loaded) {
  const once = (id, make) => {
    let node = document.getElementById(id);
    if (!node) document.head.append((node = Object.assign(make(), { id })));
    if (node.dataset.loaded) return; // a listener that waits for nothing would keep its page for ever
    const heard = () => loaded((node.dataset.loaded = "yes"));
    node.addEventListener("load", heard, { once: true });
  };
  once(`lab-css-${css}`, () => el("link", { rel: "stylesheet", href: css }));
  if (!window.Plotly) once("lab-plotly", () => el("script", { src: plotly, async: true }));
}

const words = new Map();

/**
 * How things look on the page as it is now: Streamlit's theme decides between light and dark.
 * @param {HTMLElement} parent @param {any} look the document of app/theme.py
 */
export function lookOf(parent, { tokens, palettes }) {
  const style = getComputedStyle(parent);
  const paper = style.getPropertyValue("--st-background-color").trim() || getComputedStyle(document.body).backgroundColor;
  const mode = luminance(paper) < 0.4 ? "dark" : "light";
  for (const [name, colours] of Object.entries(palettes)) if (!words.has(name)) words.set(name, rgba(colours));
  return {
    mode,
    font: style.getPropertyValue("--st-font").trim() || style.fontFamily || "sans-serif",
    tokens: { ...tokens[mode], paper },
    swap: Object.fromEntries(Object.keys(tokens.light).map((name) => [tokens.light[name], tokens[mode][name]])),
    palettes: { sequential: words.get("sequential"), diverging: words.get(mode === "dark" ? "diverging_dark" : "diverging") },
  };
}

/** 256 colours as the 32-bit words of an ImageData. */
function rgba(palette) {
  return Uint32Array.from(palette, (colour) => {
    const value = parseInt(colour.slice(1), 16);
    return 0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16);
  });
}

/** Relative luminance, roughly, of any CSS colour. */
function luminance(colour) {
  const pen = el("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, 1, 1);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}
