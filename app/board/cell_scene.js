/**
 * Where everything stands in the drawing of a cell: one list of items for each kind of cell, wide or narrow.
 *
 * An item is a wire, a node, a gate, a card (what goes into a gate, added up) or a value on a wire. `key` names the
 * number that it shows, `part` the stage of the step that it belongs to: in, gates, keep, out.
 */

export const WIDE = { width: 1040, height: 422, left: 100, right: 940, top: 46, mid: 108, gate: 186, box: [132, 46], card: 160, cardTop: 236, bus: 382, out: 856, cards: true };
export const NARROW = { width: 470, height: 352, left: 30, right: 442, top: 46, mid: 108, gate: 196, box: [84, 56], card: 0, bus: 296, out: 414, cards: false };

const ROW = 24; // height of one line of a card

/** @param {"lstm"|"gru"|"rnn"} kind @param {any} layout WIDE or NARROW @param {any} walk what Python sent */
export function scene(kind, layout, walk) {
  if (kind === "rnn") layout.from = layout.mid - 24; // nothing goes along the top
  return { lstm, gru, rnn }[kind](layout, walk);
}

/** How high a gate's card is; the bus lies below the highest. */
const cardHeight = (rows) => rows.length * ROW + 14;

/** The lines of the card of an ordinary gate. */
const sum = (walk, gate) => [
  { label: ["W", `i${gate}`, " x"], key: `ih.${gate}` },
  { label: ["W", `h${gate}`, " h"], key: `hh.${gate}` },
  ...(walk.bias ? [{ label: ["b", gate, ""], key: `b.${gate}` }] : []),
  { label: [walk.kind === "gru" ? "a" : "z", gate, ""], key: `pre.${gate}`, total: true }, // a GRU has a gate z
];

/** A gate over its card, fed from the bus. */
function column(layout, walk, gate, x, squash, rows = sum(walk, gate)) {
  const { gate: y, box, bus, cards, card, cardTop } = layout;
  const [width, height] = box;
  const items = [];
  const bottom = y + height / 2;
  if (cards) {
    const end = cardTop + cardHeight(rows);
    items.push({ wire: null, points: [[x, bus], [x, end]], arrow: true, part: "in" });
    items.push({ card: gate, x: x - card / 2, y: cardTop, width: card, height: end - cardTop, row: ROW, rows, part: "in" });
    items.push({ wire: null, points: [[x, cardTop], [x, bottom]], arrow: true, part: "gates" });
  } else items.push({ wire: null, points: [[x, bus], [x, bottom]], arrow: true, part: "in" });
  items.push({ gate, squash, x: x - width / 2, y: y - height / 2, width, height, part: "gates" });
  return items;
}

/** The two inputs side by side on one bus, up to the last column. */
function inputs(layout, walk, last) {
  const { bus, left, height, cards } = layout;
  const at = left + (cards ? 26 : 14);
  return [
    { wire: "h_before", points: [[0, bus], [at, bus]], colour: "h", part: "in" },
    { wire: null, points: [[at, height - 2], [at, bus + 10], [at + 10, bus]], part: "in", colour: "x", input: true },
    { wire: null, points: [[at, bus], [last, bus]], part: "in", bus: true },
    { dot: true, x: at, y: bus, part: "in" },
    { value: "h_before", symbol: ["h", walk.before], x: cards ? 8 : 2, y: bus - (cards ? 30 : 28), stacked: true, part: "in" },
    { input: true, symbol: ["x", "t"], x: at + 12, y: height - 8, part: "in" },
  ];
}

function lstm(layout, walk) {
  const { top, mid, gate, box, out, bus, left, right, width, cards } = layout;
  const [half, high] = [box[0] / 2, box[1] / 2];
  const columns = cards ? { f: 186, i: 356, g: 526, o: 696 } : { f: 78, i: 168, g: 258, o: 348 };
  const plus = (columns.i + columns.g) / 2;
  const squash = walk.squash;
  const last = columns.o;
  return [
    { body: true, x: left, y: 10, width: right - left, height: bus + 22 - 10 },
    // the conveyor
    { wire: "c_before", points: [[0, top], [columns.f - 15, top]], colour: "c", part: "keep" },
    { wire: "fc", points: [[columns.f + 15, top], [plus - 15, top]], colour: "c", arrow: true, part: "keep" },
    { wire: "c", points: [[plus + 15, top], [width, top]], colour: "c", arrow: true, part: "keep" },
    // what is written to it
    { wire: "f", points: [[columns.f, gate - high], [columns.f, top + 15]], colour: "f", arrow: true, part: "keep" },
    { wire: "i", points: [[columns.i, gate - high], [columns.i, mid], [plus - 15, mid]], colour: "i", arrow: true, part: "keep" },
    { wire: "g", points: [[columns.g, gate - high], [columns.g, mid], [plus + 15, mid]], colour: "g", arrow: true, part: "keep" },
    { wire: "ig", points: [[plus, mid - 15], [plus, top + 15]], colour: "c", arrow: true, part: "keep" },
    // what is shown of it
    { wire: "squashed", points: [[out, top], [out, gate - 15]], colour: "c", arrow: true, part: "out" },
    { wire: "o", points: [[columns.o + half, gate], [out - 15, gate]], colour: "o", arrow: true, part: "out" },
    { wire: "m", points: [[out, gate + 15], [out, bus], [width, bus]], colour: "h", arrow: true, part: "out" },
    ...inputs(layout, walk, last),
    ...column(layout, walk, "f", columns.f, "σ"),
    ...column(layout, walk, "i", columns.i, "σ"),
    ...column(layout, walk, "g", columns.g, squash),
    ...column(layout, walk, "o", columns.o, "σ"),
    { node: "×", x: columns.f, y: top, part: "keep" },
    { node: "+", x: plus, y: top, part: "keep" },
    { node: "×", x: plus, y: mid, part: "keep" },
    { node: "×", x: out, y: gate, part: "out" },
    { squash, x: out, y: mid, part: "out" },
    ...(walk.projected ? [{ squash: ["W", "hr"], x: out, y: cards ? 300 : 256, part: "out" }] : []),
    { value: "c_before", symbol: ["c", walk.before], x: cards ? 8 : 2, y: top - 30, stacked: true, part: "keep" },
    { value: "fc", x: (columns.f + plus) / 2, y: top - 12, anchor: "middle", part: "keep" },
    { value: "ig", x: plus + 10, y: (top + mid) / 2 + 5, part: "keep" },
    { value: "c", symbol: ["c", "t"], x: width - (cards ? 8 : 2), y: top - 30, anchor: "end", stacked: true, part: "keep" },
    { value: "squashed", x: out - 10, y: mid + (cards ? 40 : 40), anchor: "end", part: "out" },
    ...(walk.projected && cards ? [{ value: "m", symbol: ["m", "t"], x: out - 10, y: cards ? 262 : 238, anchor: "end", part: "out" }] : []),
    { value: "h", symbol: ["h", "t"], x: width - (cards ? 8 : 2), y: bus - (cards ? 30 : 28), anchor: "end", stacked: true, part: "out" },
  ];
}

function gru(layout, walk) {
  const { top, mid, gate, box, bus, left, right, width, cards } = layout;
  const [half, high] = [box[0] / 2, box[1] / 2];
  const columns = cards ? { z: 196, r: 426, n: 696 } : { z: 84, r: 206, n: 340 };
  const candidate = [
    { label: ["W", "in", " x"], key: "ih.n" },
    ...(walk.bias ? [{ label: ["b", "in", ""], key: "b_ih.n" }] : []),
    { label: ["r · q", "", ""], key: "rq" },
    { label: ["a", "n", ""], key: "pre.n", total: true },
  ];
  const out = cards ? 856 : 414;
  const inside = cards
    ? [[columns.r + half, gate], [columns.r + 118, gate], [columns.r + 118, layout.cardTop + 7 + 2.5 * ROW], [columns.n - layout.card / 2, layout.cardTop + 7 + 2.5 * ROW]]
    : [[columns.r + half, gate], [columns.n - half, gate]];
  return [
    { body: true, x: left, y: 10, width: right - left, height: bus + 22 - 10 },
    { wire: "h_before", points: [[0, top], [columns.z - 15, top]], colour: "h", part: "keep" },
    { wire: "zh", points: [[columns.z + 15, top], [columns.n - 15, top]], colour: "h", arrow: true, part: "keep" },
    { wire: "h", points: [[columns.n + 15, top], [width, top]], colour: "h", arrow: true, part: "keep" },
    { wire: "h", points: [[out, top], [out, bus], [width, bus]], colour: "h", arrow: true, part: "out" },
    { wire: "z", points: [[columns.z, gate - high], [columns.z, top + 15]], colour: "z", arrow: true, part: "keep" },
    { wire: "z", points: [[columns.z, mid], [columns.r, mid]], colour: "z", part: "keep" },
    { wire: "keep", points: [[columns.r, mid], [columns.n - 15, mid]], colour: "z", arrow: true, part: "keep" },
    { dot: true, x: columns.z, y: mid, part: "keep" },
    { wire: "n", points: [[columns.n, gate - high], [columns.n, mid + 15]], colour: "n", arrow: true, part: "keep" },
    { wire: "new", points: [[columns.n, mid - 15], [columns.n, top + 15]], colour: "h", arrow: true, part: "keep" },
    { wire: "r", points: inside, colour: "r", arrow: true, part: "gates" },
    ...inputs(layout, walk, columns.n),
    ...column(layout, walk, "z", columns.z, "σ"),
    ...column(layout, walk, "r", columns.r, "σ"),
    ...column(layout, walk, "n", columns.n, "tanh", candidate),
    { node: "×", x: columns.z, y: top, part: "keep" },
    { node: "+", x: columns.n, y: top, part: "keep" },
    { node: "×", x: columns.n, y: mid, part: "keep" },
    { squash: "1 −", x: columns.r, y: mid, part: "keep" },
    { value: "h_before", symbol: ["h", walk.before], x: cards ? 8 : 2, y: top - 30, stacked: true, part: "keep" },
    { value: "zh", x: columns.r, y: top - 12, anchor: "middle", part: "keep" },
    { value: "keep", x: (columns.r + columns.n) / 2 + (cards ? 10 : 4), y: mid - 10, anchor: "middle", part: "keep" },
    { value: "new", x: columns.n + 10, y: (top + mid) / 2 + 5, part: "keep" },
    { value: "h", symbol: ["h", "t"], x: width - (cards ? 8 : 2), y: top - 30, anchor: "end", stacked: true, part: "keep" },
    { value: "h", symbol: ["h", "t"], x: width - (cards ? 8 : 2), y: bus - (cards ? 30 : 28), anchor: "end", stacked: true, part: "out" },
  ];
}

function rnn(layout, walk) {
  const { mid, gate, box, bus, left, right, width, cards } = layout;
  const x = cards ? 520 : 220;
  const out = cards ? 800 : 340;
  const top = mid + 16;
  return [
    { body: true, x: left, y: layout.from + 10, width: right - left, height: bus + 12 - layout.from },
    { wire: "h", points: [[x, gate - box[1] / 2], [x, top], [out, top], [out, bus], [width, bus]], colour: "h", arrow: true, part: "out" },
    ...inputs(layout, walk, x),
    ...column(layout, walk, "h", x, walk.squash),
    { value: "h", symbol: ["h", "t"], x: width - (cards ? 8 : 2), y: bus - (cards ? 30 : 28), anchor: "end", stacked: true, part: "out" },
  ];
}
