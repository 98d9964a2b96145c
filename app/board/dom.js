/** Building the page without markup strings: whatever a person typed stays text. */

/**
 * @param {string} tag such as "button.primary"
 * @param {Object<string, any>} [properties] attributes; `on…` are listeners
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, String(value));
  }
  for (const child of children) if (child != null) node.append(child);
  return node;
}

/**
 * The outermost node of a component. It keeps to itself that something within begins to fade: what Streamlit's lists are
 * made with remembers every such node until it hears the end, and that never comes from a page that was left meanwhile.
 */
export function rootOf(tag, properties = {}, ...children) {
  return el(tag, { ontransitionrun: (event) => event.stopPropagation(), ...properties }, ...children);
}

/** Set a text only when it differs: an unchanged node costs no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value == null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zM14 5h4v14h-4z",
  step: "M6 5v14l9-7zM16 5h2.5v14H16z",
  stop: "M6 6h12v12H6z",
  rewind: "M12 5V1L7 6l5 5V7a6 6 0 1 1-6 6H4a8 8 0 1 0 8-8z",
  reseed: "M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm3 4a1.6 1.6 0 1 0 0 3.2A1.6 1.6 0 0 0 8 7zm4 3.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2zm4 3.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2z",
  right: "M9 16.2 4.8 12l-1.9 1.9L9 20 21.1 7.9 19.2 6z",
  wrong: "M18.4 4 12 10.4 5.6 4 4 5.6 10.4 12 4 18.4 5.6 20 12 13.6 18.4 20 20 18.4 13.6 12 20 5.6z",
  fork: "M6 3a2.5 2.5 0 0 1 1 4.8V11h6a2 2 0 0 0 2-2V7.8a2.5 2.5 0 1 1 2 0V9a4 4 0 0 1-4 4H7v3.2a2.5 2.5 0 1 1-2 0V7.8A2.5 2.5 0 0 1 6 3z",
  save: "M11 3h2v9.2l3.1-3.1 1.4 1.4L12 16 6.5 10.5l1.4-1.4L11 12.2zM4 18h16v2H4z",
  present: "M3 4h18v12H3zm2 2v8h14V6zm4 12h6v2H9z",
};

/** A small icon in the colour of the text beside it; hidden from screen readers. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "lab-icon");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}
