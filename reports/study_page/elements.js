const study = JSON.parse(document.getElementById("study").textContent);
const able = study.points.filter(point => point.failure === null);
const SVG = "http://www.w3.org/2000/svg";
const CAUSES = [["operations", "operation"], ["hops between units", "hop"], ["buffer", "buffer"], ["off-chip memory", "off-chip"], ["leakage", "leakage"]];
const sum = values => values.reduce((a, b) => a + b, 0);
const place = id => document.getElementById(id);

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/* A layer's text, which may break behind its commas. */
function breakable(text) {
  const found = document.createDocumentFragment();
  text.split(",").forEach((part, n) => found.append(...(n ? [",", make("wbr"), part] : [part])));
  return found;
}

function draw(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function si(value, unit) {
  if (value === null) return "not known";
  if (value === 0) return `0 ${unit}`;
  const step = Math.max(-5, Math.min(5, Math.floor(Math.log10(Math.abs(value)) / 3)));
  const prefix = ["f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P"][step + 5];
  return `${Number((value / 1000 ** step).toPrecision(3))} ${prefix}${unit}`;
}
const count = value => value.toLocaleString("en-US");
const percent = value => `${(100 * value).toFixed(1)} %`;

/* A logarithmic scale with marks at 1, 2 and 5, fewer where they would be many. */
function scale(low, high, from, to) {
  if (low === high) { low /= 2; high *= 2; }
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const at = value => from + (to - from) * (Math.log10(value) - a) / (b - a);
  const digits = b - a > 2.5 ? [1] : [1, 2, 5];
  const marks = [];
  for (let power = Math.floor(a); power <= Math.ceil(b); power++)
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) marks.push(value);
    }
  return { at, marks: marks.length > 2 ? marks : evenMarks(low, high) };
}

/* Round values at even steps, for ranges in which few marks of a logarithmic scale lie. */
function evenMarks(low, high) {
  const least = (high - low) / 6, power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= least);
  const first = Math.ceil(low / step), last = Math.floor(high / step);
  return Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step);
}

function chart(id, width, height, label) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, class: "chart", role: "group", "aria-label": label })) svg.setAttribute(key, value);
  place(id).replaceChildren(svg);
  return svg;
}

function frame(svg, box, x, y, xText, yText, xName, yName) {
  let last = -Infinity;
  for (const mark of x.marks) {
    draw(svg, "line", { x1: x.at(mark), x2: x.at(mark), y1: box.top, y2: box.bottom, class: "grid-line" });
    if (x.at(mark) - last < 58) continue;
    last = x.at(mark);
    draw(svg, "text", { x: x.at(mark), y: box.bottom + 16, "text-anchor": "middle" }, xText(mark));
  }
  for (const mark of y.marks) {
    draw(svg, "line", { x1: box.left, x2: box.right, y1: y.at(mark), y2: y.at(mark), class: "grid-line" });
    draw(svg, "text", { x: box.left - 6, y: y.at(mark) + 4, "text-anchor": "end" }, yText(mark));
  }
  draw(svg, "text", { x: (box.left + box.right) / 2, y: box.bottom + 34, "text-anchor": "middle" }, xName);
  draw(svg, "text", { x: box.left, y: box.top - 8 }, yName);
}

function tip(target, lines, event) {
  const box = place("tooltip");
  box.replaceChildren(make("b", {}, lines[0]), ...lines.slice(1).map(line => make("div", {}, line)));
  box.hidden = false;
  const edge = target.getBoundingClientRect();
  const [x, y] = event && event.clientX ? [event.clientX, event.clientY] : [edge.right, edge.bottom];
  box.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${y + 14 + box.offsetHeight > innerHeight ? Math.max(4, y - box.offsetHeight - 14) : y + 14}px`;
}
const untip = () => { place("tooltip").hidden = true; };

function tipped(element, lines) {
  element.addEventListener("pointerenter", event => tip(element, lines, event));
  element.addEventListener("pointerleave", untip);
  element.addEventListener("focus", () => tip(element, lines));
  element.addEventListener("blur", untip);
}
