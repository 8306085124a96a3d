// Bokeh draws the charts of a page, in the colours of the page.
const charts = {};
const described = JSON.parse(document.getElementById("charts").textContent);

/** The value of a custom property of the page's style. */
const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Colours what all charts have. */
function dressAxes() {
  const quiet = colourOf("quiet");
  for (const plot of Object.values(charts)) {
    plot.outline_line_color = quiet;
    for (const axis of [...plot.below, ...plot.left, ...plot.right]) {
      axis.major_label_text_color = quiet;
      if (axis.axis_label) axis.axis_label_text_color = quiet;
    }
    for (const lines of plot.center) if ("grid_line_color" in lines) lines.grid_line_color = quiet;
  }
}

/** Takes Bokeh's own canvases, which have no name to be read out, out of the order of Tab: what is around them is in it. */
function leaveToPage(root) {
  for (const part of root.querySelectorAll("*")) {
    if (part.classList.contains("bk-events")) part.tabIndex = -1;
    if (part.shadowRoot) leaveToPage(part.shadowRoot);
  }
}

/** Draws all charts, and dresses them as `dress` does, again when light turns to dark. */
async function drawCharts(dress) {
  const { document: json, roots } = described;
  const ids = Object.fromEntries(Object.entries(roots).map(([name, id]) => [id, name]));
  if (Object.keys(ids).length) {
    await Bokeh.embed.embed_items({ page: json }, [{ docid: "page", roots: ids, root_ids: Object.keys(ids) }]);
    for (const plot of Bokeh.documents[0].roots()) charts[plot.name] = plot;
  }
  for (const name of Object.keys(charts)) leaveToPage(document.getElementById(name));
  dress();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
}
