// Choosing days in a month: drag over them, or hold Shift and use the arrow keys; the form for an
// override is filled in. Without this file a day is a link that fills in the form, too.
(function () {
  "use strict";

  var table = document.querySelector("[data-pick]");
  var form = document.querySelector("[data-override]");
  if (!table || !form) { return; }

  var cells = Array.prototype.slice.call(table.querySelectorAll("[data-day]"));
  var anchor = null; // where the choice began, as an index of cells
  var pointer = null; // the pointer that drags

  function linkOf(index) { return cells[index].querySelector("a"); }
  function indexOf(element) { return cells.indexOf(element.closest("[data-day]")); }

  function choose(from, to) {
    var low = Math.min(from, to);
    var high = Math.max(from, to);
    cells.forEach(function (cell, index) {
      cell.classList.toggle("chosen", index >= low && index <= high);
    });
  }
  // The day after one written "2027-03-14"; worked out in UTC, so that no zone plays a part.
  function dayAfter(day) {
    var next = new Date(day + "T00:00Z");
    next.setUTCDate(next.getUTCDate() + 1);
    return next.toISOString().slice(0, 10);
  }
  function say(low, high) {
    var voice = document.getElementById("voice");
    var from = cells[low].getAttribute("data-day");
    var to = cells[high].getAttribute("data-day");
    if (voice) { voice.textContent = from === to ? from + " chosen" : from + " to " + to + " chosen"; }
  }
  function fill(from, to) {
    var low = Math.min(from, to);
    var high = Math.max(from, to);
    var now = table.closest("[data-zone-now]").getAttribute("data-zone-now");
    var first = cells[low].getAttribute("data-day");
    var start = now.slice(0, 10) === first ? now : first + "T00:00"; // today begins now
    form.elements.start.value = start;
    form.elements.end.value = dayAfter(cells[high].getAttribute("data-day")) + "T00:00";
    choose(low, high);
    say(low, high);
  }
  function goToForm() {
    var calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    form.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
    form.elements.member.focus({ preventScroll: true });
  }

  // --- pointer: mouse, pen or finger; a finger that moves up or down scrolls the page ---------
  function cellAt(event) {
    var bodies = table.tBodies;
    for (var n = 0; n < bodies.length; n += 1) {
      var box = bodies[n].getBoundingClientRect();
      if (event.clientY < box.bottom || n === bodies.length - 1) {
        var column = Math.floor((event.clientX - box.left) / box.width * 7);
        return n * 7 + Math.max(0, Math.min(6, column));
      }
    }
    return -1;
  }
  table.addEventListener("pointerdown", function (event) {
    if (event.button || pointer !== null || !event.target.closest("tbody")) { return; }
    pointer = event.pointerId;
    anchor = cellAt(event);
    choose(anchor, anchor);
  });
  document.addEventListener("pointermove", function (event) {
    if (event.pointerId === pointer) { choose(anchor, cellAt(event)); }
  });
  document.addEventListener("pointerup", function (event) {
    if (event.pointerId !== pointer) { return; }
    pointer = null;
    fill(anchor, cellAt(event));
    goToForm();
  });
  document.addEventListener("pointercancel", function (event) {
    if (event.pointerId !== pointer) { return; }
    pointer = null;
    choose(-1, -1);
  });
  table.addEventListener("dragstart", function (event) { event.preventDefault(); });

  // --- keyboard: one stop for Tab, arrows move, Shift and arrows choose, Enter goes on --------
  function stopAt(index) {
    cells.forEach(function (cell, other) { linkOf(other).tabIndex = other === index ? 0 : -1; });
  }
  stopAt(Math.max(0, cells.findIndex(function (cell) { return cell.classList.contains("day-today"); })));
  var steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };
  table.addEventListener("keydown", function (event) {
    var step = steps[event.key];
    if (!step || !event.target.closest("[data-day]")) { return; }
    event.preventDefault();
    var at = indexOf(event.target);
    var to = at + step;
    if (to < 0 || to >= cells.length) { return; }
    if (!event.shiftKey) {
      anchor = null;
      choose(-1, -1);
    } else {
      if (anchor === null) { anchor = at; }
      fill(anchor, to);
    }
    stopAt(to);
    linkOf(to).focus();
  });
  table.addEventListener("click", function (event) {
    var link = event.target.closest(".day-link");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) { return; }
    event.preventDefault();
    if (event.detail) { return; } // a pointer: it has filled in the form already
    var at = indexOf(link);
    fill(anchor === null ? at : anchor, at);
    anchor = null;
    goToForm();
  });
})();
