/* Sorting of the squad table by its headers; without this script the table stands in the order of the scores. */
document.querySelectorAll("table[data-sortable]").forEach(function (table) {
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  heads.forEach(function (head, column) {
    if (!head.hasAttribute("data-sort")) return;
    var button = document.createElement("span"); /* a button element is not repeated on each printed page */
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.textContent = head.textContent;
    head.textContent = "";
    head.appendChild(button);
    button.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); button.click(); }
    });
    button.addEventListener("click", function () {
      var down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
      var body = table.tBodies[0];
      var rows = Array.prototype.slice.call(body.rows);
      var key = function (row) { return row.cells[column].getAttribute("data-key") || ""; };
      var numeric = head.getAttribute("data-sort") === "number";
      rows.sort(function (a, b) {
        return down * (numeric ? key(a) - key(b) : key(a).localeCompare(key(b), undefined, { numeric: true }));
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });
});
