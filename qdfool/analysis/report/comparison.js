// Runs side by side: what each setting had come to by some evaluations, and which are drawn.
const { x, evaluations, texts } = JSON.parse(document.getElementById("data").textContent);
const moment = document.getElementById("moment");
const rows = [...document.querySelectorAll("#then tbody tr")];

function dress() {
  dressAxes();
  for (const plot of Object.values(charts)) {
    for (const { name, glyph } of plot.renderers) {
      if (!glyph) continue;
      const colour = colourOf(`series${Number(name) % 7}`);
      if (glyph.type === "Line") glyph.line_color = { value: colour };
      else glyph.fill_color = colour;
    }
    lineOf(plot).line_color = colourOf("quiet");
  }
}

const lineOf = (plot) => plot.center.find((one) => one.name === "moment");

/** Says what each had come to by the evaluations of an index, and draws a line there. */
function read(index) {
  moment.value = index;
  moment.setAttribute("aria-valuetext", `${evaluations[index]} evaluations`);
  document.getElementById("evaluations").textContent = evaluations[index];
  rows.forEach((row, group) => {
    row.querySelectorAll("td").forEach((cell, curve) => { cell.textContent = texts[curve][group][index]; });
  });
  for (const plot of Object.values(charts)) lineOf(plot).location = x[index];
}

/** The index of the evaluations that are nearest, by their logarithm. */
function nearest(value) {
  const apart = (index) => Math.abs(Math.log(x[index] / value));
  return x.reduce((best, _, index) => (apart(index) < apart(best) ? index : best), 0);
}

async function start() {
  await drawCharts(dress);
  if (x.length) startReading();
  document.documentElement.dataset.ready = "yes";
}

function startReading() {
  for (const plot of Object.values(charts)) {
    plot.js_event_callbacks = new Map(["mousemove", "tap"].map((name) => [name, [(event) => read(nearest(event.x))]]));
  }
  moment.addEventListener("input", () => read(Number(moment.value)));
  for (const box of document.querySelectorAll("#then input")) {
    box.addEventListener("change", () => {
      for (const plot of Object.values(charts)) {
        for (const renderer of plot.renderers) if (renderer.name === box.value) renderer.visible = box.checked;
      }
    });
  }
  read(x.length - 1);
}

start();
