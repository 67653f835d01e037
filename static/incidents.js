// Ticking all open incidents of a page at once. Without this file each is ticked by itself.
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
})();
