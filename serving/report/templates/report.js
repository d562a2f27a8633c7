/* A link to an athlete opens the page that it leads to, also in browsers that do not open folded parts themselves. */
var unfold = function (hash) {
  var part = hash.length > 1 && document.getElementById(hash.slice(1));
  var folded = part && part.closest("details");
  if (!folded || folded.open) return;
  folded.open = true;
  part.scrollIntoView();
};
document.addEventListener("click", function (event) {
  var link = event.target.closest("a[href^='#']");
  if (link) unfold(link.getAttribute("href"));
});
window.addEventListener("hashchange", function () { unfold(location.hash); });
unfold(location.hash);
/* Sorting and filtering of the squad table; without this script it shows everyone in the order of the scores. */
document.querySelectorAll("table[data-sortable]").forEach(function (table) {
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  var body = table.tBodies[0];
  var rows = Array.prototype.slice.call(body.rows);
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
      var key = function (row) { return row.cells[column].getAttribute("data-key") || ""; };
      var numeric = head.getAttribute("data-sort") === "number";
      rows.sort(function (a, b) {
        return down * (numeric ? key(a) - key(b) : key(a).localeCompare(key(b), document.documentElement.lang, { numeric: true }));
      });
      rows.forEach(function (row) { body.appendChild(row); });
    });
  });
  if (!table.hasAttribute("data-filter")) return;
  var make = function (tag, parent, text) {
    var made = document.createElement(tag);
    if (text) made.textContent = text;
    parent.appendChild(made);
    return made;
  };
  var bar = document.createElement("div");
  bar.className = "filter screen";
  table.parentNode.insertBefore(bar, table);
  var word = make("input", make("label", bar, table.getAttribute("data-filter") + " "));
  word.type = "search";
  var band = make("select", make("label", bar, table.getAttribute("data-filter-band") + " "));
  make("option", band, table.getAttribute("data-filter-all")).value = "";
  table.getAttribute("data-bands").split("|").forEach(function (label, rank) { make("option", band, label).value = String(rank); });
  var count = make("span", bar);
  count.setAttribute("role", "status");
  var show = function () {
    var wanted = word.value.trim().toLocaleLowerCase();
    var shown = rows.filter(function (row) {
      var fits = row.textContent.toLocaleLowerCase().indexOf(wanted) >= 0;
      row.hidden = !(fits && (band.value === "" || row.getAttribute("data-band") === band.value));
      return !row.hidden;
    });
    count.textContent = table.getAttribute("data-filter-count").replace("{shown}", shown.length).replace("{all}", rows.length);
  };
  word.addEventListener("input", show);
  band.addEventListener("change", show);
  show();
});
