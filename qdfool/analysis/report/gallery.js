// Every class with its best elite: searched, sorted, a page at a time.
const CARDS_AT_ONCE = 60;
const ORDERS = {
  class: (a, b) => a - b,
  sure: (a, b) => oddsOf(b) - oddsOf(a) || a - b,
  unsure: (a, b) => oddsOf(a) - oddsOf(b) || a - b,
  young: (a, b) => birthOf(b) - birthOf(a) || a - b,
  name: (a, b) => nameOf(a).localeCompare(nameOf(b), "en", { numeric: true }) || a - b,
};
const oddsOf = (index) => (bestOf.has(index) ? elites.odds[bestOf.get(index)] : -Infinity);
const birthOf = (index) => (bestOf.has(index) ? elites.birth[bestOf.get(index)] : -1);
let found = [];
let cards = 0;

function card(index) {
  const row = bestOf.get(index);
  const frame = element("span", "frame");
  if (row !== undefined && imageOf(row)) {
    const image = element("img", "");
    image.src = imageOf(row);
    image.alt = "";
    frame.append(image);
  }
  const sure = row === undefined ? "no elite" : elites.confidence[row];
  const button = element("button", "card", frame, element("span", "called", nameOf(index)), element("span", "how-sure", sure));
  button.type = "button";
  button.dataset.class = index;
  button.setAttribute("aria-pressed", "false");
  button.disabled = row === undefined;
  if (row !== undefined) {
    const cell = elites.cell[row];
    button.addEventListener("click", () => look(cell, "pin"));
    button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && look(cell, "point"));
    button.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
    button.addEventListener("focus", () => button.matches(":focus-visible") && look(cell, "move"));
  }
  return element("li", "", button);
}

function moreCards() {
  const next = found.slice(cards, cards + CARDS_AT_ONCE);
  at("cards").append(...next.map(card));
  cards += next.length;
  at("more").parentElement.hidden = cards >= found.length;
  const of = found.length === names.length ? "" : ` of ${number(names.length)}`;
  const seen = cards < found.length ? `, the first ${number(cards)} shown` : "";
  at("found").textContent = `${number(found.length)}${of} ${found.length === 1 ? "class" : "classes"}${seen}.`;
  markCards(state.pinned);
}

function searchCards() {
  const words = at("search").value.trim().toLowerCase();
  const all = names.map((_, index) => index);
  found = words ? all.filter((index) => names[index].toLowerCase().includes(words) || String(index) === words) : all;
  found.sort(ORDERS[at("sort").value]);
  cards = 0;
  at("cards").replaceChildren();
  moreCards();
}

function markCards(cell) {
  if (cell === null) return;
  const index = String(Math.floor(cell / cellsOfGrid));
  for (const button of at("cards").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.class === index));
  }
}

if (elites) {
  at("search").addEventListener("input", searchCards);
  at("sort").addEventListener("change", searchCards);
  at("more").addEventListener("click", () => {
    const first = cards;
    moreCards();
    at("cards").children[first].firstChild.focus();
  });
  listeners.push((cell, how) => how !== "point" && markCards(cell));
  searchCards();
}
