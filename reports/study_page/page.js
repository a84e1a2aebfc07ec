function choosePoint(point) {
  chosen.point = point;
  drawPareto(); drawSelected(); drawEnergy(); drawHeat(); drawLayers(); drawRoofline();
}
for (const [id, first] of [["axis-x", "time"], ["axis-y", "energy"]]) {
  place(id).append(...Object.entries(AXES).map(([key, [name]]) => make("option", { value: key }, name)));
  place(id).value = first;
  place(id).addEventListener("change", drawPareto);
}
place("workload").append(...[...new Set(able.flatMap(point => point.workloads.map(work => work.name)))].map(name => make("option", { value: name }, name)));
place("workload").addEventListener("change", drawHeat);
let was = innerWidth;
addEventListener("resize", () => { if (innerWidth !== was) { was = innerWidth; drawPareto(); drawRoofline(); } });
choosePoint(able.find(point => point.key === study.best));
