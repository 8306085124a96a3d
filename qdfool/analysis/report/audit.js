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

search.addEventListener("input", find);
find();
draw().then(() => { document.documentElement.dataset.ready = "yes"; });
