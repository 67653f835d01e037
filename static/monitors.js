// Choosing monitors in the list. Without this file the same form works with plain boxes.
(function () {
  "use strict";

  var chosen = {}; // ids that are ticked on this page, kept while its rows are asked for anew
  var form;

  function boxes() { return Array.from(document.querySelectorAll('input[name="ids"][form="bulk"]')); }

  function show() {
    var all = form.querySelector("[data-bulk-all]");
    var page = form.querySelector("[data-bulk-page]");
    var count = form.querySelector("[data-bulk-count]");
    var ticked = boxes().filter(function (box) { return box.checked; }).length;
    var everything = Boolean(all && all.checked);
    var number = everything ? Number(all.getAttribute("data-bulk-all")) : ticked;
    page.checked = ticked > 0 && ticked === boxes().length;
    page.indeterminate = ticked > 0 && ticked < boxes().length;
    form.classList.toggle("has-choice", number > 0);
    count.textContent = number === 1 ? count.getAttribute("data-one") :
      number ? count.getAttribute("data-many").replace("%s", number.toLocaleString("en")) : "";
  }
  function remember() {
    chosen = {};
    boxes().forEach(function (box) { if (box.checked) { chosen[box.value] = true; } });
    show();
  }
  function putBack() {
    boxes().forEach(function (box) { box.checked = Boolean(chosen[box.value]); });
    show();
  }

  document.addEventListener("DOMContentLoaded", function () {
    form = document.querySelector("[data-bulk]");
    if (!form) { return; }
    remember(); // a browser that came back to the page may have ticked them again
    document.addEventListener("change", function (event) {
      var box = event.target;
      if (box.matches("[data-bulk-page]")) {
        boxes().forEach(function (each) { each.checked = box.checked; });
        remember();
      } else if (box.matches('input[name="ids"]')) {
        remember();
      } else if (box.matches("[data-bulk-all]")) {
        show();
      }
    });
    // Shift and a click tick everything from the one that was clicked before.
    var last = null;
    document.addEventListener("click", function (event) {
      var box = event.target;
      if (!box.matches || !box.matches('input[name="ids"][form="bulk"]')) { return; }
      var list = boxes();
      var from = last ? list.findIndex(function (each) { return each.value === last; }) : -1;
      var to = list.indexOf(box);
      if (event.shiftKey && from >= 0) {
        list.slice(Math.min(from, to), Math.max(from, to) + 1).forEach(function (each) { each.checked = box.checked; });
        remember();
      }
      last = box.value;
    });
    document.addEventListener("htmx:afterSwap", function (event) {
      if (event.target.closest("[data-live]")) { putBack(); }
    });
    window.addEventListener("pageshow", remember);
  });
})();
