// Begins: charts are drawn, and the classes can be searched.
const rows = [...document.querySelectorAll("#by-class tbody tr")];
const search = document.getElementById("search");

function find() {
  const wanted = search.value.trim().toLowerCase();
  let count = 0;
  for (const row of rows) {
    row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    count += !row.hidden;
  }
  document.getElementById("found").textContent = `${count.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")} classes.`;
}

/** A line, and the band about it, have the colour of the page of their name. */
function dress() {
  dressAxes();
  for (const plot of Object.values(charts)) {
    for (const { name, glyph } of plot.renderers) {
      const colour = (name && colourOf(name)) || colourOf("median");
      if (glyph.type === "Line") glyph.line_color = { value: colour };
      else if (glyph.type === "VArea") glyph.fill_color = colour;
    }
  }
}

search.addEventListener("input", find);
find();
drawCharts(dress).then(() => { document.documentElement.dataset.ready = "yes"; });
