/** What stands in a node, painted as the page shows it: charts, canvases, drawings, words with their frames. */

const SKIPPED = ["lab-cross", "lab-readout", "lab-hint"]; // what only one who points at it sees

/**
 * Paint a node and all in it where it stands on the page; the pen's origin is the window's.
 * @param {CanvasRenderingContext2D} pen @param {Element} node @param {number} scale pixels of the picture for each of the page
 */
export async function paint(pen, node, scale) {
  const style = getComputedStyle(node);
  const box = node.getBoundingClientRect();
  const seen = style.display !== "none" && style.visibility !== "hidden" && box.width > 0 && box.height > 0;
  if (!seen || SKIPPED.some((name) => node.classList.contains(name))) return;
  if (node.classList.contains("js-plotly-plot")) return drawn(pen, await chart(node, box, scale), box);
  if (node instanceof HTMLCanvasElement) return drawn(pen, node, box);
  if (node instanceof SVGElement) return drawn(pen, await drawing(node, box, style, scale), box);
  pen.save();
  pen.globalAlpha *= Number(style.opacity);
  frame(pen, box, style);
  if (style.overflowX !== "visible") {
    pen.beginPath();
    pen.rect(box.left, box.top, box.width, box.height);
    pen.clip();
  }
  for (const child of node.childNodes) {
    if (child instanceof Element) await paint(pen, child, scale);
    else if (child instanceof Text) words(pen, child, style);
  }
  pen.restore();
}

const drawn = (pen, image, box) => pen.drawImage(image, box.left, box.top, box.width, box.height);

const chart = async (node, { width, height }, scale) =>
  loaded(await window.Plotly.toImage(node, { format: "png", width, height, scale }));

/** A drawing by itself knows nothing of the page's styles: those that it has are written into it. */
function drawing(node, { width, height }, style, scale) {
  const copy = node.cloneNode(true);
  for (const name of ["fill", "stroke", "strokeWidth", "color"]) copy.style[name] = style[name];
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width * scale);
  copy.setAttribute("height", height * scale);
  return loaded(`data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`);
}

function loaded(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("the browser could not draw it"));
    image.src = address;
  });
}

function frame(pen, box, style) {
  const shape = (inset) => {
    const { left, top, width, height } = box;
    const corner = style.borderTopLeftRadius.endsWith("%") ? Math.min(width, height) / 2 : parseFloat(style.borderTopLeftRadius) || 0;
    pen.beginPath();
    pen.roundRect(left + inset, top + inset, width - 2 * inset, height - 2 * inset, Math.max(0, corner - inset));
  };
  shape(0);
  pen.fillStyle = style.backgroundColor;
  pen.fill();
  const sides = ["Top", "Right", "Bottom", "Left"].map((side) => [side, style[`border${side}Style`] === "none" ? 0 : parseFloat(style[`border${side}Width`])]);
  if (sides.every(([, size]) => size > 0)) {
    pen.strokeStyle = style.borderTopColor;
    pen.lineWidth = sides[0][1];
    shape(sides[0][1] / 2);
    pen.stroke();
  } else for (const [side, size] of sides) if (size > 0) edge(pen, box, side, size, style[`border${side}Color`]);
}

function edge(pen, { left, top, right, bottom }, side, size, colour) {
  const [x0, y0, x1, y1] = { Top: [left, top, right, top], Right: [right, top, right, bottom], Bottom: [right, bottom, left, bottom], Left: [left, bottom, left, top] }[side];
  pen.strokeStyle = colour;
  pen.lineWidth = size;
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

/** A text, word by word where the page has put them. */
function words(pen, node, style) {
  const range = document.createRange();
  pen.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  pen.fillStyle = style.color;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  const put = (from, to) => {
    range.setStart(node, from);
    range.setEnd(node, to);
    const places = [...range.getClientRects()].filter((place) => place.width > 0);
    const part = node.data.slice(from, to);
    if (places.length > 1 && to - from > 1) for (let k = from; k < to; k++) put(k, k + 1); // a word over two lines
    else if (places.length) {
      pen.fillText(part, places[0].left, places[0].top + places[0].height / 2);
      if (style.textDecorationLine === "underline") pen.fillRect(places[0].left, places[0].bottom - 2, places[0].width, 1);
    }
  };
  for (const found of node.data.matchAll(/[^\s]+/g)) put(found.index, found.index + found[0].length);
}
