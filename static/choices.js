// A long list of check boxes: what is typed above it hides the rest. Without this file all show.
(function () {
  "use strict";

  function follow(group) {
    var search = group.querySelector("input[type=search]");
    var rows = Array.prototype.slice.call(group.querySelectorAll("[data-text]"));
    var count = group.querySelector("[data-count]");
    if (!rows.length) { return; }
    function show() {
      var wanted = search.value.trim().toLowerCase();
      var shown = 0;
      rows.forEach(function (row) {
        row.hidden = wanted !== "" && row.getAttribute("data-text").indexOf(wanted) < 0;
        if (!row.hidden) { shown += 1; }
      });
      var chosen = group.querySelectorAll("[data-text] input:checked").length;
      count.textContent = chosen + " chosen" + (wanted ? ", " + shown + " shown" : "");
    }
    search.addEventListener("input", show);
    group.addEventListener("change", show);
    // Enter searches; it must not save the form.
    search.addEventListener("keydown", function (event) {
      if (event.key === "Enter") { event.preventDefault(); }
    });
    group.classList.add("searchable");
    show();
  }

  document.querySelectorAll("[data-choices]").forEach(follow);
})();
