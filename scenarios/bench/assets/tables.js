"use strict";
const shown = (row, column) => {
  const cell = row.cells[column];
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent : value === "inf" ? Infinity : Number(value);
};
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1);
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => order(shown(a, column), shown(b, column)));
      table.tBodies[0].append(...rows);
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
}
const family = document.getElementById("family");
family.addEventListener("change", () => {
  for (const row of document.querySelectorAll("#games tbody tr")) {
    row.hidden = family.value !== "" && row.dataset.family !== family.value;
  }
});
