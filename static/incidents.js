// Ticking all open incidents of a page at once, and keeping a half-written note of an incident's
// page. Without this file each is ticked by itself, and the page says that a note is added first.
(function () {
  "use strict";

  document.querySelectorAll("[data-choose]").forEach(function (all) {
    function boxes() {
      return Array.prototype.slice.call(
        document.querySelectorAll("input[type=checkbox][name='" + all.getAttribute("data-choose") + "']")
      );
    }
    all.addEventListener("change", function () {
      boxes().forEach(function (box) { box.checked = all.checked; });
    });
    document.addEventListener("change", function (event) {
      if (event.target === all || event.target.name !== all.getAttribute("data-choose")) { return; }
      all.checked = boxes().every(function (box) { return box.checked; });
    });
  });

  // --- a note that is not added yet outlives every other button --------------------------------
  var note = document.getElementById("note");
  var field = note && note.querySelector("textarea");
  if (!field) { return; }
  var key = "note " + new URL(note.action).pathname; // of this incident
  function keep() {
    try {
      if (field.value.trim()) { sessionStorage.setItem(key, field.value); } else { sessionStorage.removeItem(key); }
    } catch (error) { /* no storage: as without this file */ }
  }
  try {
    var before = sessionStorage.getItem(key);
    if (before && !field.value.trim()) { field.value = before; }
  } catch (error) { /* no storage */ }
  field.addEventListener("input", keep);
  note.addEventListener("submit", function () {
    try { sessionStorage.removeItem(key); } catch (error) { /* no storage */ }
  });
})();
