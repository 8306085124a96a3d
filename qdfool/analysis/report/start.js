// Begins: Bokeh draws its charts, and the surest elite is looked at.
function dress() {
  dressAxes();
  const [median, lowest] = [colourOf("median"), colourOf("lowest")];
  for (const plot of Object.values(charts)) {
    for (const { name, glyph } of plot.renderers) {
      if (name === "lowest") glyph.line_color = { value: lowest };
      else if (glyph.type === "Line") glyph.line_color = { value: median };
      else if (glyph.type === "VArea") glyph.fill_color = median;
    }
  }
}

function startGrowth() {
  if (!charts.growth || !elites) return;
  const classAt = (event) => data.rows[Math.floor(event.y)];
  charts.growth.js_event_callbacks = new Map([["tap", [(event) => {
    const row = bestOf.get(classAt(event));
    if (row !== undefined) look(elites.cell[row], "pin");
  }]]]);
  listeners.push((cell) => {
    const row = data.rows.indexOf(Math.floor(cell / cellsOfGrid));
    const width = charts.growth.x_range.end;
    fill(charts.growth, "frame", row < 0 ? [] : [{ x: width / 2, y: row + 0.5, width, height: 1 }]);
  });
}

async function start() {
  await drawCharts(dress);
  if (elites) {
    document.body.classList.toggle("pixelated", data.images.small);
    startMaps();
  }
  startGrowth();
  if (elites) look(elites.cell[elites.odds.reduce((best, odds, row) => (odds > elites.odds[best] ? row : best), 0)], "move");
  document.documentElement.dataset.ready = "yes";
}

start();
