// The maps of the archive: tiles that Bokeh draws, coloured by what is chosen, with a cursor for pointer and keys.
const CHOICES = { confidence: "confidence, spaced by its log-odds", birth: "generation of birth", replacements: "replacements of the cell" };
const MOST_LABELLED = 40;
const columns = grid ? 0 : names.length <= 6 ? names.length : names.length <= 24 ? Math.ceil(names.length / 2) : Math.ceil(Math.sqrt(1.7 * names.length));
let choice = "confidence";
let firstMap = 0;
const maps = []; // A Bokeh plot each, with the class that it is of; null: all classes.

const valueOf = (row) => (choice === "confidence" ? elites.odds[row] : choice === "birth" ? elites.birth[row] : Math.log10(elites.replacements[row]));

/** Where a cell lies in its map, as the rectangle that Bokeh draws. */
function rectangle(cell) {
  if (!grid) return { x: (cell % columns) + 0.5, y: Math.floor(cell / columns) + 0.5, width: 1, height: 1 };
  const [x, y] = placeIn(cell), [width, height] = [0, 1].map((m) => (grid.ranges[m][1] - grid.ranges[m][0]) / grid.cells[m]);
  return { x: grid.ranges[0][0] + (x + 0.5) * width, y: grid.ranges[1][0] + (y + 0.5) * height, width, height };
}

const placeIn = (cell) => [Math.floor((cell % cellsOfGrid) / grid.cells[1]), cell % grid.cells[1]];

/** The cell at a point of a map; null beside it. */
function cellAt(map, x, y) {
  if (!grid) {
    const cell = Math.floor(y) * columns + Math.floor(x);
    return x >= 0 && x < columns && cell >= 0 && cell < names.length ? cell : null;
  }
  const [gx, gy] = [x, y].map((value, m) => {
    const [low, high] = grid.ranges[m];
    return Math.floor(((value - low) / (high - low)) * grid.cells[m]);
  });
  const inside = gx >= 0 && gx < grid.cells[0] && gy >= 0 && gy < grid.cells[1];
  return inside ? map.class * cellsOfGrid + gx * grid.cells[1] + gy : null;
}

const fill = (plot, name, rows) => {
  const renderer = plot.renderers.find((one) => one.name === name);
  const keys = Object.keys(renderer.data_source.data instanceof Map ? Object.fromEntries(renderer.data_source.data) : renderer.data_source.data);
  renderer.data_source.data = Object.fromEntries(keys.map((key) => [key, rows.map((row) => row[key])]));
};

function fillMap(map) {
  const rows = elites.cell.map((_, row) => row).filter((row) => !grid || elites.class[row] === map.class);
  const gap = grid || names.length > 3000 ? 1 : 0.95; // Tiles that are few stand apart.
  fill(map.plot, "tiles", rows.map((row) => {
    const place = rectangle(elites.cell[row]);
    return { ...place, width: gap * place.width, height: gap * place.height, value: valueOf(row) };
  }));
  if (!grid && names.length <= MOST_LABELLED) {
    const most = Math.max(4, Math.floor(map.element.clientWidth / columns / 8));
    const { low, high } = data.scales[choice];
    fill(map.plot, "labels", elites.cell.map((cell, row) => {
      const name = nameOf(elites.class[row]);
      const light = (valueOf(row) - low) / (high - low) > 0.5; // Viridis is dark below, light above.
      return { ...rectangle(cell), text: name.length > most ? `${name.slice(0, most - 1)}…` : name, colour: light ? "#111111" : "#ffffff" };
    }));
  }
  const of = grid ? `Map of ${nameOf(map.class)}` : "Map of all classes";
  map.element.setAttribute("aria-label", `${of}, ${number(rows.length)} elites. Arrow keys move, Enter follows the parents.`);
  if (grid) {
    const covered = element("span", "", `${Math.round((100 * rows.length) / cellsOfGrid)} %`);
    map.element.previousElementSibling.replaceChildren(element("b", "", nameOf(map.class)), covered);
  }
}

/** The maps of a grid archive that are shown: of some classes in a row. */
function showMaps(first) {
  firstMap = first;
  maps.forEach((map, slot) => {
    map.class = first + slot;
    map.element.parentElement.hidden = map.class >= names.length;
    if (map.class < names.length) fillMap(map);
  });
  const last = Math.min(first + maps.length, names.length);
  at("map-pages").hidden = names.length <= maps.length;
  at("maps-shown").textContent = `classes ${number(first)} to ${number(last - 1)} of ${number(names.length)}`;
  at("maps-before").disabled = first === 0;
  at("maps-after").disabled = last === names.length;
  frame(state.shown);
}

function frame(cell) {
  for (const map of maps) {
    const own = cell !== null && (!grid || map.class === Math.floor(cell / cellsOfGrid));
    if (own || map.framed) fill(map.plot, "frame", own ? [rectangle(cell)] : []); // Each draws the map again.
    map.framed = own;
  }
}

/** From a key to the cell beside; null where there is none. */
function beside(cell, key) {
  const [right, up] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
  if (!grid) {
    const next = cell + right - up * columns;
    return next >= 0 && next < names.length ? next : null;
  }
  const [x, y] = placeIn(cell), [gx, gy] = [x + right, y + up];
  const inside = gx >= 0 && gx < grid.cells[0] && gy >= 0 && gy < grid.cells[1];
  return inside ? cell + right * grid.cells[1] + up : null;
}

function onKey(map, event) {
  const index = state.shown === null ? -1 : Math.floor(state.shown / cellsOfGrid);
  const best = bestOf.get(map.class ?? 0);
  const here = !grid || index === map.class ? state.shown : best === undefined ? map.class * cellsOfGrid : elites.cell[best];
  if (event.key.startsWith("Arrow")) {
    const next = here === state.shown ? beside(here, event.key) : here;
    if (next !== null) look(next, "move");
  } else if (event.key === "Enter" || event.key === " ") {
    look(here, "pin");
  } else if (grid && "+-0".includes(event.key)) {
    zoom({ "+": 0.5, "-": 2, 0: Infinity }[event.key]);
  } else return;
  event.preventDefault();
}

/** Shows a part of all maps, `factor` as wide as now, about the cell that is looked at. */
function zoom(factor) {
  const centre = state.shown === null ? null : rectangle(state.shown);
  [maps[0].plot.x_range, maps[0].plot.y_range].forEach((range, m) => {
    const [low, high] = grid.ranges[m];
    const width = Math.min(high - low, Math.max((high - low) / grid.cells[m], factor * (range.end - range.start)));
    const middle = centre ? [centre.x, centre.y][m] : (range.start + range.end) / 2;
    const start = Math.min(Math.max(middle - width / 2, low), high - width);
    range.setv({ start, end: start + width });
  });
}

function colour(name) {
  choice = name;
  const scale = data.scales[name];
  const bar = charts.colours.below.find((one) => one.name === "bar");
  bar.color_mapper.setv({ low: scale.low, high: scale.high });
  bar.major_label_overrides = new Map(scale.ticks.map((tick, index) => [tick, scale.labels[index]]));
  bar.ticker.ticks = scale.ticks;
  at("colour-name").textContent = CHOICES[name];
  if (grid) showMaps(firstMap);
  else maps.forEach(fillMap);
}

function startMaps() {
  for (const [name, plot] of Object.entries(charts)) {
    if (!name.startsWith("map")) continue;
    const map = { plot, element: at(name), class: grid ? maps.length : null };
    maps.push(map);
    const look_at = (how) => (event) => {
      const cell = cellAt(map, event.x, event.y);
      if (cell !== null) look(cell, how);
    };
    plot.js_event_callbacks = new Map([["mousemove", [look_at("point")]], ["mouseleave", [leave]], ["tap", [look_at("pin")]]]);
    map.element.addEventListener("keydown", (event) => onKey(map, event));
  }
  if (!grid) {
    const height = Math.ceil(names.length / columns);
    maps[0].plot.x_range.end = columns;
    maps[0].plot.y_range.start = height;
    maps[0].element.style.aspectRatio = `${columns} / ${names.length <= MOST_LABELLED ? 0.62 * height : height}`;
  } else {
    const turn = (by) => () => showMaps(Math.max(0, firstMap + by * maps.length));
    at("maps-before").addEventListener("click", turn(-1));
    at("maps-after").addEventListener("click", turn(1));
    at("zoom-in").addEventListener("click", () => zoom(0.5));
    at("zoom-out").addEventListener("click", () => zoom(2));
    at("zoom-all").addEventListener("click", () => zoom(Infinity));
    // A finger that moves over a map scrolls the page.
    if (matchMedia("(pointer: coarse)").matches) for (const map of maps) map.plot.toolbar.active_drag = null;
  }
  for (const input of at("colour-choice").querySelectorAll("input")) input.addEventListener("change", () => colour(input.value));
  listeners.push((cell, how) => {
    const index = Math.floor(cell / cellsOfGrid);
    if (grid && how === "pin" && (index < firstMap || index >= firstMap + maps.length)) showMaps(index - (index % maps.length));
    frame(cell);
  });
  colour("confidence");
}
