const layersOf = point => point.workloads.flatMap(work => (work.layers ?? []).map(layer => ({ ...layer, workload: work.name })));
const layerUse = (point, layer) => layer.macs / (layer.cycles * point.units);
const chosen = { point: null, layer: null, sort: "cycles", descending: true };
/* Designs side by side: the chosen one, baselines, then the front. */
function beside(most) {
  const ranked = [...able].sort((a, b) => (b.baseline !== null) - (a.baseline !== null) || b.front - a.front || a.time_s - b.time_s);
  const found = ranked.slice(0, most);
  if (!found.includes(chosen.point)) found[found.length - 1] = chosen.point;
  return found;
}
/* Of a design's description, what other designs do not share. */
const descriptions = able.map(point => point.text.split(", "));
const varies = descriptions[0].map((_, n) => descriptions.some(parts => parts[n] !== descriptions[0][n] || parts.length !== descriptions[0].length));
const brief = point => point.baseline ?? (varies.includes(true) ? point.text.split(", ").filter((_, n) => varies[n] ?? true).join(", ") : point.text);

function table(rows) {
  const body = make("table");
  for (const [name, value] of rows) body.append(make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, String(value))));
  return body;
}

function drawSelected() {
  const point = chosen.point;
  const passed = point.verifications.filter(check => check.passed).length;
  const rows = pointText(point).slice(1).map(line => { const cut = line.lastIndexOf(" ", line.search(/[\d]|not known/)); return [line.slice(0, cut), `${line.slice(cut + 1)}, modelled`]; });
  const parts = point.area ? [["area by component", point.area.components.map(([name, um2]) => `${name} ${Number((um2 / 1e6).toPrecision(3))} mm²`).join(", ")]] : point.no_area ? [["no area", point.no_area]] : [];
  const flows = point.facts.spaces.map(space => space.join("-")).join(", ") || "every dataflow: a bound, not one design";
  place("selected").replaceChildren(make("p", { id: "selected-name" }, make("b", {}, point.baseline ? `${point.baseline}: ${point.text}` : point.text)), table([
    ["array", `${point.facts.array.join(" × ")} functional units, ${point.facts.format}`], ["dataflows", flows],
    ["buffer", `${count(point.facts.buffer_bytes / 1024)} KB`], ["off-chip", `${point.facts.off_chip}, ${point.bandwidth_gb_per_s} GB/s, ${point.facts.latency_ns} ns`],
    ["technology, clock", `${point.facts.technology}, ${point.clock_ghz} GHz`], ["tiler", point.facts.tiler], ...rows, ...parts,
    ["RTL", point.verifications.length ? `${passed} of ${point.verifications.length} simulated layers exact` : "not simulated"],
  ]));
}

function drawEnergy() {
  const shown = beside(14), parts = point => CAUSES.map((_, n) => sum(point.workloads.map(work => work.weight * work.energy[n])));
  const most = Math.max(...shown.map(point => sum(parts(point))));
  const used = CAUSES.map((_, n) => shown.some(point => parts(point)[n] > 0));
  const legend = make("div", { class: "legend" }, ...CAUSES.filter((_, n) => used[n]).map(([name, id]) => make("span", {}, make("i", { style: `background: var(--${id})` }), name)));
  place("energy").replaceChildren(legend, ...shown.map(point => {
    const values = parts(point), total = sum(values);
    const bar = make("span", { class: "bar" }, ...CAUSES.map(([, id], n) => make("i", { style: `background: var(--${id}); width: ${100 * values[n] / most}%` })));
    const row = make("button", { class: `bar-row${point === chosen.point ? " chosen" : ""}`, type: "button", "aria-pressed": point === chosen.point }, make("span", {}, brief(point)), bar, make("span", { class: "r" }, si(total / 1e12, "J")));
    tipped(row, [brief(point), ...CAUSES.flatMap(([name], n) => values[n] > 0 ? [`${name}: ${si(values[n] / 1e12, "J")}, ${percent(values[n] / total)}`] : [])]);
    row.addEventListener("click", () => { untip(); choosePoint(point); });
    return row;
  }));
}

function drawHeat() {
  const name = place("workload").value, shown = beside(12).filter(point => point.workloads.some(work => work.layers));
  const found = new Map();
  shown.forEach((point, column) => {
    for (const layer of point.workloads.find(work => work.name === name)?.layers ?? []) {
      const row = layer.operator.replace(/,?format=\w+/, "").replace(/:$/, "");
      if (!found.has(row)) found.set(row, new Map());
      found.get(row).set(column, layerUse(point, layer));
    }
  });
  const head = make("tr", {}, make("th", { scope: "col" }, "layer"), ...shown.map((point, n) => {
    const cell = make("th", { scope: "col", class: point === chosen.point ? "chosen" : "" }, `${n + 1}`);
    tipped(cell, pointText(point));
    return cell;
  }));
  const body = make("table", { class: "heat" }, head);
  for (const [row, cells] of found) body.append(make("tr", {}, make("th", { scope: "row" }, breakable(row)), ...shown.map((point, n) => {
    const use = cells.get(n);
    if (use === undefined) return make("td", { style: "--share: 0" }, "–");
    const cell = make("td", { style: `--share: ${use}` }, `${Math.round(100 * use)}`);
    tipped(cell, [row, brief(point), `utilization ${percent(use)}`]);
    return cell;
  })));
  const names = make("ol", { class: "soft" }, ...shown.map(point => make("li", {}, brief(point))));
  place("heat").replaceChildren(body);
  place("heat").parentElement.querySelector("ol")?.remove();
  place("heat").after(names);
}

const several = new Set(able.flatMap(point => point.workloads.map(work => work.name))).size > 1;
const COLUMNS = [
  ...(several ? [["workload", layer => layer.workload]] : []), ["layer", layer => layer.operator], ["times", layer => layer.times], ["products", layer => layer.macs],
  ["cycles", layer => layer.times * layer.cycles], ["use", layer => layerUse(chosen.point, layer)], ["bound by", layer => layer.transfer_cycles > layer.array_cycles ? "off-chip" : "array"],
  ["energy", layer => layer.times * sum(layer.energy)], ["off-chip bytes", layer => layer.times * layer.bytes], ["dataflow", layer => layer.dataflow], ["proven", layer => layer.proven ? "yes" : "no"],
];
const SHOWN = { use: percent, energy: value => si(value / 1e12, "J"), "off-chip bytes": value => si(value, "B") };

function drawLayers() {
  const of = COLUMNS.find(([name]) => name === chosen.sort)[1];
  const layers = layersOf(chosen.point).sort((a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0) * (chosen.descending ? -1 : 1));
  if (!layers.length) { place("layers").replaceChildren("This page has no room for the layers of this design; results.json has them."); chosen.layer = null; drawLayer(); return; }
  if (!chosen.layer || !layers.some(same)) chosen.layer = layers[0];
  const body = make("table"), head = make("tr");
  for (const [name] of COLUMNS) {
    const button = make("button", { type: "button" }, name === chosen.sort ? `${name} ${chosen.descending ? "↓" : "↑"}` : name);
    button.addEventListener("click", () => {
      chosen.descending = name === chosen.sort ? !chosen.descending : typeof COLUMNS.find(([n]) => n === name)[1](layers[0]) === "number";
      chosen.sort = name;
      drawLayers();
      [...place("layers").querySelectorAll("th button")].find(b => b.textContent.startsWith(name)).focus();
    });
    head.append(make("th", { scope: "col", class: typeof COLUMNS.find(([n]) => n === name)[1](layers[0]) === "number" ? "r" : "", "aria-sort": name === chosen.sort ? (chosen.descending ? "descending" : "ascending") : "none" }, button));
  }
  body.append(head);
  for (const layer of layers) {
    const row = make("tr", { tabindex: 0, class: same(layer) ? "chosen" : "", "aria-selected": same(layer) });
    for (const [name, value] of COLUMNS) {
      const found = value(layer), number = typeof found === "number";
      row.append(make("td", { class: number ? "r" : name === "layer" ? "name" : "" }, SHOWN[name] ? SHOWN[name](found) : number ? count(found) : name === "layer" ? breakable(found) : found));
    }
    const pick = () => {
      chosen.layer = layer;
      for (const other of body.querySelectorAll("tr[tabindex]")) { other.classList.toggle("chosen", other === row); other.setAttribute("aria-selected", other === row); }
      drawLayer();
    };
    row.addEventListener("click", pick);
    row.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } });
    body.append(row);
  }
  place("layers").replaceChildren(body);
  drawLayer();
}
const same = layer => chosen.layer !== null && layer.workload === chosen.layer.workload && layer.operator === chosen.layer.operator;

function drawLayer() {
  const layer = chosen.layer;
  if (!layer) { place("mapping").replaceChildren(); place("array").replaceChildren(); return; }
  const energy = CAUSES.flatMap(([name], n) => layer.energy[n] > 0 ? [`${name} ${si(layer.energy[n] / 1e12, "J")}`] : []).join(", ");
  place("mapping").replaceChildren(make("p", {}, make("b", {}, breakable(layer.operator))), make("pre", { tabindex: 0, "aria-label": "mapping as a loop nest" }, study.texts[layer.nest]), table([
    ["cycles, modelled", `${count(layer.cycles)}: array ${count(layer.array_cycles)}, transfers ${count(layer.transfer_cycles)}`],
    ["energy, modelled", energy], ["proof", layer.proven ? "no mapping of the space is better" : "not proven"],
  ]), make("p", { class: "soft" }, "The array's part in RTL:"), make("pre", { class: "command", tabindex: 0, "aria-label": "command that simulates the array" }, study.texts[layer.simulate]));
  const number = study.arrays[layer.simulate];
  if (number === undefined) { place("array").replaceChildren(make("p", { class: "soft" }, "Not drawn: the page holds the arrays of at most 256 units that do most of the work. The command above with “show” in place of “simulate” and --drawing array.svg draws it.")); return; }
  const plot = make("div", { class: "plot" });
  plot.append(document.querySelectorAll("template.drawing")[number].content.cloneNode(true));
  place("array").replaceChildren(plot, make("p", { class: "soft" }, "Links, ports and banks of the array as generated."));
}
