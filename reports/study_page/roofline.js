/* Operations a second over operations a byte; a product counts as two operations. */
function drawRoofline() {
  const narrow = place("roofline").clientWidth < 420, width = narrow ? 330 : 520, height = 360;
  const box = { left: 76, right: width - 12, top: 24, bottom: height - 44 };
  const point = chosen.point, device = study.gpu?.device, layers = layersOf(point);
  const peak = 2e9 * point.units * point.clock_ghz, bandwidth = 1e9 * point.bandwidth_gb_per_s;
  const gpuPeaks = device ? Object.fromEntries(device.peaks) : {};
  const gpuFormat = gpuPeaks[point.facts.format] ? point.facts.format : "bf16";
  const dots = layers.filter(layer => layer.bytes > 0).map(layer => ({ x: 2 * layer.macs / layer.bytes, y: 2 * layer.macs * point.clock_ghz * 1e9 / layer.cycles, text: [layer.operator, "modelled", percent(layerUse(point, layer)) + " of the peak"] }));
  const cases = (study.gpu?.cases ?? []).map(one => ({ x: one.ops / one.bytes, y: 1e6 * one.ops / one.time_us, pale: one.format !== gpuFormat, text: [one.name, `measured on ${study.gpu.gpu}, ${one.kernel}${one.format ? `, ${one.format}` : ""}`] }));
  const roofs = [{ peak, bandwidth, colour: "--front", name: "accelerator" }];
  if (device) roofs.push({ peak: gpuPeaks[gpuFormat] * 1e12, bandwidth: device.bandwidth_gb_per_s * 1e9, colour: "--mark", name: `${device.name}, ${gpuFormat}` });
  const knees = roofs.map(roof => roof.peak / roof.bandwidth), all = [...dots, ...cases];
  const x = scale(Math.min(...knees, ...all.map(d => d.x)) / 2, 4 * Math.max(...knees, ...all.map(d => d.x)), box.left, box.right);
  const low = Math.min(...roofs.map(roof => roof.peak) , ...all.map(d => d.y)) / 3;
  const y = scale(low, 2.5 * Math.max(...roofs.map(roof => roof.peak)), box.bottom, box.top);
  const svg = chart("roofline", width, height, "Roofline");
  frame(svg, box, x, y, v => count(Number(v.toPrecision(1))), v => si(v, "op/s"), "operations a byte off chip", "operations a second");
  const [left, right] = [Math.min(...knees, ...all.map(d => d.x)) / 2, 4 * Math.max(...knees, ...all.map(d => d.x))];
  for (const roof of roofs) {
    const knee = roof.peak / roof.bandwidth, start = Math.max(left, low / roof.bandwidth);
    const d = start < knee ? `M${x.at(start)} ${y.at(start * roof.bandwidth)}L${x.at(knee)} ${y.at(roof.peak)}H${x.at(right)}` : `M${x.at(left)} ${y.at(roof.peak)}H${x.at(right)}`;
    draw(svg, "path", { d, fill: "none", stroke: `var(${roof.colour})`, "stroke-width": 2 });
  }
  for (const [list, colour, round] of [[dots, "--front", true], [cases, "--mark", false]])
    for (const dot of list) {
      const [cx, cy] = [x.at(dot.x), y.at(dot.y)];
      const style = { style: `fill: var(${colour}); opacity: ${dot.pale ? 0.3 : 0.8}` };
      tipped(round ? draw(svg, "circle", { cx, cy, r: 4, ...style }) : draw(svg, "rect", { x: cx - 4, y: cy - 4, width: 8, height: 8, ...style }), [...dot.text, `${Number(dot.x.toPrecision(3))} op/B, ${si(dot.y, "op/s")}`]);
    }
  for (const roof of roofs) draw(svg, "text", { x: box.right, y: y.at(roof.peak) - 6, "text-anchor": "end", class: "above" }, `${roof.name}: ${si(roof.peak, "op/s")}`);
  place("roofline-text").textContent = "Circles: layers of the selected design, modelled. " + (study.gpu ? `Squares: cases measured on ${study.gpu.gpu}, pale where in another format than its roof. ${device ? "Its roof is published, not measured." : "Its published peak is not on file."}` : "No GPU measurements were given.");
}
