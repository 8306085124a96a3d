// Bokeh draws its charts, in the colours of the page.
const charts = {};
const described = JSON.parse(document.getElementById("charts").textContent);

function dress() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const [quiet, usual] = [colour("quiet"), colour("median")];
  for (const plot of Object.values(charts)) {
    plot.outline_line_color = quiet;
    for (const axis of [...plot.below, ...plot.left, ...plot.right]) {
      axis.major_label_text_color = quiet;
      if (axis.axis_label) axis.axis_label_text_color = quiet;
    }
    for (const lines of plot.center) if ("grid_line_color" in lines) lines.grid_line_color = quiet;
    for (const renderer of plot.renderers) {
      const { name, glyph } = renderer;
      // A line, and the band about it, have the colour of the page of their name.
      if (glyph.type === "Line") glyph.line_color = { value: colour(name) || usual };
      else if (glyph.type === "VArea") glyph.fill_color = (name && colour(name)) || usual;
    }
  }
}

/** Takes Bokeh's own canvases, which have no name to be read out, out of the order of Tab: the maps around them are in it. */
function leaveToMaps(root) {
  for (const part of root.querySelectorAll("*")) {
    if (part.classList.contains("bk-events")) part.tabIndex = -1;
    if (part.shadowRoot) leaveToMaps(part.shadowRoot);
  }
}

/** Draws all charts of the page, each in the element of its name. */
async function draw() {
  const { document: json, roots } = described;
  const ids = Object.fromEntries(Object.entries(roots).map(([name, id]) => [id, name]));
  if (Object.keys(ids).length) {
    await Bokeh.embed.embed_items({ page: json }, [{ docid: "page", roots: ids, root_ids: Object.keys(ids) }]);
    for (const plot of Bokeh.documents[0].roots()) charts[plot.name] = plot;
  }
  for (const name of Object.keys(charts)) leaveToMaps(document.getElementById(name));
  dress();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
}
