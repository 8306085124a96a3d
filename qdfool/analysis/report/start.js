// Begins: Bokeh draws its charts, in the colours of the page, and the surest elite is looked at.
const charts = {};
const described = JSON.parse(at("charts").textContent);

function dress() {
  const style = getComputedStyle(document.documentElement);
  const [quiet, median, lowest] = ["--quiet", "--median", "--lowest"].map((name) => style.getPropertyValue(name).trim());
  for (const plot of Object.values(charts)) {
    plot.outline_line_color = quiet;
    for (const axis of [...plot.below, ...plot.left, ...plot.right]) {
      axis.major_label_text_color = quiet;
      if (axis.axis_label) axis.axis_label_text_color = quiet;
    }
    for (const lines of plot.center) if ("grid_line_color" in lines) lines.grid_line_color = quiet;
    for (const renderer of plot.renderers) {
      const { name, glyph } = renderer;
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

/** Takes Bokeh's own canvases, which have no name to be read out, out of the order of Tab: the maps around them are in it. */
function leaveToMaps(root) {
  for (const part of root.querySelectorAll("*")) {
    if (part.classList.contains("bk-events")) part.tabIndex = -1;
    if (part.shadowRoot) leaveToMaps(part.shadowRoot);
  }
}

async function start() {
  const { document: json, roots } = described;
  const ids = Object.fromEntries(Object.entries(roots).map(([name, id]) => [id, name]));
  if (Object.keys(ids).length) {
    await Bokeh.embed.embed_items({ page: json }, [{ docid: "page", roots: ids, root_ids: Object.keys(ids) }]);
    for (const plot of Bokeh.documents[0].roots()) charts[plot.name] = plot;
  }
  for (const name of Object.keys(charts)) leaveToMaps(at(name));
  dress();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  if (elites) {
    document.body.classList.toggle("pixelated", data.images.small);
    startMaps();
  }
  startGrowth();
  if (elites) look(elites.cell[elites.odds.reduce((best, odds, row) => (odds > elites.odds[best] ? row : best), 0)], "move");
  document.documentElement.dataset.ready = "yes";
}

start();
