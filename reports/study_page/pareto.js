const AXES = {
  time: ["time", point => point.time_s, "s"],
  energy: ["energy", point => point.energy_j, "J"],
  area: ["area", point => point.area_mm2, "mm²"],
  power: ["average power", point => point.energy_j / point.time_s, "W"],
  edp: ["energy times time", point => point.energy_j * point.time_s, "Js"],
};
for (const key of Object.keys(AXES)) if (able.every(point => AXES[key][1](point) === null)) delete AXES[key];

const label = (value, unit) => unit === "mm²" ? `${Number(value.toPrecision(3))} mm²` : si(value, unit);

function pointText(point) {
  const lines = [point.baseline ? `${point.baseline}: ${point.text}` : point.text];
  for (const [name, of, unit] of Object.values(AXES)) lines.push(`${name} ${of(point) === null ? "not known" : label(of(point), unit)}`);
  return [...lines, `utilization ${percent(point.utilization)}`];
}

function drawPareto() {
  const narrow = place("pareto").clientWidth < 600;
  const [width, height] = narrow ? [360, 320] : [1100, 430];
  const box = { left: 64, right: width - 16, top: 24, bottom: height - 44 };
  const [xName, xOf, xUnit] = AXES[place("axis-x").value], [yName, yOf, yUnit] = AXES[place("axis-y").value];
  const shown = able.filter(point => xOf(point) > 0 && yOf(point) > 0);
  const svg = chart("pareto", width, height, `Designs by ${xName} and ${yName}`);
  if (!shown.length) return;
  const range = of => {
    const [low, high] = [Math.min(...shown.map(of)), Math.max(...shown.map(of))], room = Math.max(1.01, (high / low) ** 0.08);
    return [low / room, high * room];
  };
  const x = scale(...range(xOf), box.left, box.right), y = scale(...range(yOf), box.bottom, box.top);
  frame(svg, box, x, y, v => label(v, xUnit), v => label(v, yUnit), xName, yName);
  const order = [...shown].sort((a, b) => xOf(a) - xOf(b) || yOf(a) - yOf(b));
  let least = Infinity, path = "";
  for (const point of order)
    if (yOf(point) < least) {
      path += path ? `H${x.at(xOf(point))}V${y.at(yOf(point))}` : `M${x.at(xOf(point))} ${y.at(yOf(point))}`;
      least = yOf(point);
    }
  draw(svg, "path", { d: path, class: "front-line" });
  const marks = new Map();
  for (const point of [...order].sort((a, b) => a.front - b.front)) {
    const [cx, cy] = [x.at(xOf(point)), y.at(yOf(point))], r = point.front ? 7 : 5.5;
    const kind = `point${point.front ? " front" : ""}${point === chosen.point ? " chosen" : ""}`;
    const common = { class: kind, role: "button", tabindex: point === chosen.point ? 0 : -1, "aria-label": pointText(point).join(", "), "data-key": point.key };
    const mark = point.baseline
      ? draw(svg, "rect", { ...common, x: cx - r, y: cy - r, width: 2 * r, height: 2 * r })
      : draw(svg, "circle", { ...common, cx, cy, r });
    tipped(mark, pointText(point));
    mark.addEventListener("click", () => { untip(); choosePoint(point); });
    mark.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key !== "Enter" && event.key !== " " && !step) return;
      event.preventDefault();
      const next = step ? order[(order.indexOf(point) + step + order.length) % order.length] : point;
      choosePoint(next);
      place("pareto").querySelector(`[data-key="${next.key}"]`).focus();
    });
    marks.set(point, mark);
  }
  if (marks.has(chosen.point)) svg.append(marks.get(chosen.point));
}
