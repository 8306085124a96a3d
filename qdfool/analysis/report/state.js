// What is on the page, and which elite is looked at. Texts reach the page as text alone, through textContent.
const data = JSON.parse(document.getElementById("data").textContent);
const { names, elites, grid } = data;
const at = (id) => document.getElementById(id);

/** An element of a class with texts and elements in it. */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

const number = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 4 });
const nameOf = (index) => names[index] ?? `class ${index}`;

const cellsOfGrid = grid ? grid.cells[0] * grid.cells[1] : 1;
const rowOfCell = new Map(elites ? elites.cell.map((cell, row) => [cell, row]) : []);
const bestOf = new Map();
if (elites) {
  elites.class.forEach((index, row) => {
    const best = bestOf.get(index);
    if (best === undefined || elites.odds[row] > elites.odds[best]) bestOf.set(index, row);
  });
}

/** The address of an elite's image; empty where the page has none. */
const imageOf = (row) => (data.images.data[row] ? `data:${data.images.type};base64,${data.images.data[row]}` : "");
const altOf = (row) => `Evolved image, called ${nameOf(elites.class[row])} with ${elites.confidence[row]}`;

const listeners = [];
const state = { pinned: null, shown: null };

/**
 * Looks at a cell: `how` is "point" while the pointer is there, "move" by keyboard, "pin" for good.
 * A cell is one of the archive's, with an elite in it or not.
 */
function look(cell, how) {
  if (how === "point" && cell === state.shown) return;
  if (how !== "point") state.pinned = cell;
  state.shown = cell;
  for (const listener of listeners) listener(cell, how);
}

/** The pointer has left: back to what was there. */
function leave() {
  if (state.shown !== state.pinned && state.pinned !== null) look(state.pinned, "point");
}
