// The elite that is looked at: its image, what is known of it, what the classifier says, its line of parents.
const MOST_PARENTS = 12;

function showDetails(cell, how) {
  const row = rowOfCell.get(cell);
  const index = Math.floor(cell / cellsOfGrid);
  const image = row === undefined ? "" : imageOf(row);
  const portrait = at("portrait");
  portrait.hidden = !image;
  portrait.alt = row === undefined ? "" : altOf(row);
  if (image) portrait.src = image;
  else portrait.removeAttribute("src");
  at("no-portrait").textContent = row === undefined ? "No elite here" : image ? "" : "This page does not have its image";
  at("name").textContent = nameOf(index);
  at("sure").textContent = row === undefined ? "" : elites.confidence[row];
  showFacts(row, index, cell);
  showTop(row, index);
  showParents(row);
  if (how === "pin") at("details").classList.add("open");
  if (how !== "point") {
    at("announcement").textContent =
      row === undefined ? `${nameOf(index)}, cell ${cell}: no elite` : `${altOf(row)}, cell ${cell}`;
  }
}

function showFacts(row, index, cell) {
  const facts = [["cell", String(cell)], ["class", String(index)]];
  if (row !== undefined) {
    if (grid && elites.measures) grid.measures.forEach((name, m) => facts.push([name, number(elites.measures[row][m])]));
    const parent = elites.parent[row];
    facts.push(["born in generation", number(elites.birth[row])]);
    facts.push(["replacements of its cell", number(elites.replacements[row])]);
    facts.push(["parent's class", parent < 0 ? "none: first generation" : nameOf(parent)]);
  }
  at("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]));
}

function showTop(row, index) {
  at("says").hidden = !elites.top || row === undefined;
  if (at("says").hidden) return;
  const [classes, confidences, shares] = elites.top[row];
  at("top").replaceChildren(
    ...classes.map((of, place) => {
      const bar = element("i", "");
      bar.style.width = `${100 * shares[place]}%`;
      const name = element("span", "of", nameOf(of));
      name.title = nameOf(of);
      return element("li", of === index ? "own" : "", name, element("span", "share", confidences[place]), bar);
    }),
  );
}

/** The classes of the parents, as far as they can be followed: of each class, the elite that it has now. */
function showParents(row) {
  const parents = at("parents");
  at("line").hidden = row === undefined;
  if (row === undefined) return;
  const items = [], met = new Set([row]);
  let end = "", current = row;
  while (!end) {
    const parent = elites.parent[current];
    const next = parent < 0 ? undefined : bestOf.get(parent);
    if (parent < 0) end = items.length ? "first generation" : "It was in the first generation and has no parent.";
    else if (next === undefined) end = `${nameOf(parent)}, which has no elite here`;
    else {
      items.push(parentItem(next));
      if (met.has(next)) end = parent === elites.class[current] ? "whose parent was of the same class" : "and round again";
      else if (items.length === MOST_PARENTS) end = "and further";
      met.add(next);
      current = next;
    }
  }
  at("line-hint").textContent = items.length
    ? "Its parent was an elite of the first class, that one's parent of the next. Shown are the elites that these classes have now."
    : "";
  parents.replaceChildren(...items, element("li", "end", end));
}

function parentItem(row) {
  const image = element("img", "");
  image.alt = "";
  if (imageOf(row)) image.src = imageOf(row);
  const button = element("button", "", image, element("span", "", nameOf(elites.class[row])));
  button.type = "button";
  button.title = nameOf(elites.class[row]);
  button.addEventListener("click", () => look(elites.cell[row], "pin"));
  return element("li", "", button);
}

if (elites) {
  listeners.push(showDetails);
  at("close").addEventListener("click", () => at("details").classList.remove("open"));
}
