// The page of a monitor works without this file. With it, the plot can be read by pointing and
// zoomed by dragging, and what is being read is not replaced.
(function () {
  "use strict";

  var SVG = "http://www.w3.org/2000/svg";
  var WIDTH = 1000;

  // --- the plot ---------------------------------------------------------------------------------
  function makeShape(name, lines, kind) {
    var shape = document.createElementNS(SVG, name);
    shape.setAttribute("class", kind);
    lines.appendChild(shape);
    return shape;
  }

  function bind(plot) {
    var lines = plot.querySelector(".plot-lines");
    var said = document.querySelector("[data-plot-said]");
    var table = document.querySelector("[data-plot-table]");
    var from = Date.parse(plot.getAttribute("data-from"));
    var to = Date.parse(plot.getAttribute("data-to"));
    if (!lines || !said || !table || !(to > from)) { return; }
    var rows = {};
    table.querySelectorAll("tr[data-index]").forEach(function (row) { rows[row.dataset.index] = row; });
    var heads = table.querySelectorAll("th");
    var usual = said.textContent;
    var start = null;
    var zoom = null;
    var hair = null;

    function place(event) { // from 0 to 1
      var box = lines.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    }
    function read(at) {
      var row = rows[Math.min(95, Math.floor(at * 96))];
      if (!row) { said.textContent = usual; return; }
      var cells = row.querySelectorAll("td");
      said.textContent = cells[0].textContent + ": " +
        heads[2].textContent + " " + cells[2].textContent + ", " +
        heads[3].textContent + " " + cells[3].textContent + " (" + heads[1].textContent + ": " + cells[1].textContent + ")";
    }
    function clear() {
      if (zoom) { zoom.remove(); zoom = null; }
      if (hair) { hair.remove(); hair = null; }
      start = null;
    }
    lines.addEventListener("pointerdown", function (event) {
      if (event.button !== 0 || event.pointerType === "touch") { return; }
      start = place(event);
      lines.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    lines.addEventListener("pointermove", function (event) {
      var at = place(event);
      read(at);
      if (start === null) {
        hair = hair || makeShape("line", lines, "plot-hair");
        hair.setAttribute("x1", at * WIDTH);
        hair.setAttribute("x2", at * WIDTH);
        hair.setAttribute("y1", 0);
        hair.setAttribute("y2", 160);
        return;
      }
      zoom = zoom || makeShape("rect", lines, "plot-zoom");
      zoom.setAttribute("x", Math.min(start, at) * WIDTH);
      zoom.setAttribute("width", Math.abs(at - start) * WIDTH);
      zoom.setAttribute("y", 0);
      zoom.setAttribute("height", 160);
    });
    lines.addEventListener("pointerup", function (event) {
      if (start === null) { return; }
      var first = Math.min(start, place(event));
      var last = Math.max(start, place(event));
      clear();
      if ((last - first) * lines.getBoundingClientRect().width < 8) { return; }
      go(from + first * (to - from), from + last * (to - from));
    });
    lines.addEventListener("pointercancel", clear);
    lines.addEventListener("pointerleave", function () {
      if (start === null) { clear(); said.textContent = usual; }
    });
  }

  function write(at) { return new Date(Math.round(at / 1000) * 1000).toISOString().replace(".000", ""); }

  function go(from, to) {
    if (to - from < 60000) { // a minute is the least that the page shows
      var middle = (from + to) / 2;
      from = middle - 30000;
      to = middle + 30000;
    }
    var address = new URL(window.location.href);
    ["range", "before", "after"].forEach(function (name) { address.searchParams.delete(name); });
    address.searchParams.set("from", write(from));
    address.searchParams.set("to", write(to));
    address.hash = "latency";
    window.location.assign(address.toString());
  }

  // --- what is being read stays ---------------------------------------------------------------
  function isRead(part) {
    var selection = window.getSelection();
    return part.querySelector("details[open]") !== null || part.contains(document.activeElement) ||
      (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }
  document.addEventListener("htmx:oobBeforeSwap", function (event) {
    if (isRead(event.detail.target)) { event.detail.shouldSwap = false; }
  });
  document.addEventListener("htmx:oobAfterSwap", function () {
    if (window.tocsin && window.tocsin.tick) { window.tocsin.tick(); }
  });

  document.querySelectorAll("[data-plot]").forEach(bind);
})();
