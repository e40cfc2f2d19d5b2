"use strict";
// Sorting: the button in a head sorts by its column, numbers by data-value; empty cells stay last.
const keyOf = (cell) => ("value" in cell.dataset ? cell.dataset.value : cell.textContent.trim());
const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function sortBy(head) {
  const table = head.closest("table");
  const body = table.tBodies[0];
  const column = [...head.parentNode.children].indexOf(head);
  const rows = [...body.rows].map((row) => [keyOf(row.cells[column]), row]);
  const numbers = rows.some(([key]) => key !== "") &&
    rows.every(([key]) => key === "" || !Number.isNaN(Number(key.replace("inf", "Infinity"))));
  const now = head.getAttribute("aria-sort");
  // Numbers start with the largest, words with A.
  const next = now ? (now === "ascending" ? "descending" : "ascending")
    : (numbers ? "descending" : "ascending");
  const sign = next === "ascending" ? 1 : -1;
  const number = (key) => Number(key.replace("inf", "Infinity"));
  rows.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (numbers ? number(a) - number(b) || 0 : order.compare(a, b));
  });
  for (const each of head.parentNode.children) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", next);
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) sortBy(button.closest("th"));
  });
}

// Filtering: a row is shown where every choice and every word of the text fits it.
const form = document.getElementById("filters");
const rows = [...document.getElementById("score-table").tBodies[0].rows];
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

function filter() {
  const choices = [...form.querySelectorAll("select")].filter((each) => each.value !== "");
  const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const fits = choices.every((each) => row.dataset[each.name] === each.value) &&
      words.every((word) => texts.get(row).includes(word));
    row.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length} scores`;
}

form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(filter));
filter(); // a reloaded page may have kept its choices

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
