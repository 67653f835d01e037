// Single keys, for hands that stay on the keyboard. Never while somebody types in a field, and
// not at all once they are switched off.
(function () {
  "use strict";

  var PATIENCE = 1500; // milliseconds between the two keys of "g m"
  var help, box;
  var first = "";
  var firstAt = 0;

  function areOn() {
    try { return localStorage.getItem("shortcuts") !== "off"; } catch (error) { return true; }
  }
  function switchTo(on) {
    try {
      if (on) { localStorage.removeItem("shortcuts"); } else { localStorage.setItem("shortcuts", "off"); }
    } catch (error) { /* private mode: they stay as they are */ }
  }
  // A field that is gone from sight, in a dialog just closed, keeps the focus for a moment more.
  function isTyping(element) {
    var field = element && element.closest && element.closest("input, textarea, select, [contenteditable], [role='textbox']");
    return Boolean(field && isShown(field));
  }
  function isShown(element) { return element.getClientRects().length > 0; }

  function showHelp() {
    if (!help || help.open) { return; }
    box.checked = areOn();
    help.showModal();
  }
  function goTo(keys) {
    var place = document.querySelector('#palette [data-keys="' + keys + '"]');
    if (place) { window.location.assign(place.getAttribute("data-href")); }
    return Boolean(place);
  }
  function focusSearch() {
    var field = Array.from(document.querySelectorAll("main input[type='search']")).find(isShown);
    if (field) { field.focus(); field.select(); } else if (window.tocsin.openPalette) { window.tocsin.openPalette(); }
    return true;
  }
  // The first link of each line of the page's lists.
  function lines() {
    return Array.from(document.querySelectorAll("main table tbody tr, main [data-line]")).map(function (line) {
      return line.querySelector(".main a[href], a[href]");
    }).filter(function (link) { return link && isShown(link); });
  }
  function walk(by) {
    var all = lines();
    if (!all.length) { return false; }
    var line = document.activeElement.closest("tr, [data-line]");
    var at = all.findIndex(function (link) { return line && line.contains(link); });
    var next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    all[next].focus();
    return true;
  }
  function acknowledge() {
    if (!/^\/t\/[^/]+\/incidents\/[^/]+\/$/.test(window.location.pathname)) { return false; }
    var button = Array.from(document.querySelectorAll("main button[formaction$='/acknowledge']")).find(isShown);
    if (button) { button.click(); }
    return Boolean(button);
  }
  function run(key) {
    if (first === "g" && Date.now() - firstAt < PATIENCE) {
      first = "";
      return goTo("g " + key);
    }
    first = key === "g" ? key : "";
    firstAt = Date.now();
    if (key === "?") { showHelp(); return true; }
    if (key === "/") { return focusSearch(); }
    if (key === "j") { return walk(1); }
    if (key === "k") { return walk(-1); }
    if (key === "a") { return acknowledge(); }
    return key === "n" && goTo("n");
  }

  document.addEventListener("keydown", function (event) {
    if (event.defaultPrevented || event.isComposing || event.repeat && !/^[jk]$/.test(event.key)) { return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1) { return; }
    if (!areOn() || isTyping(event.target) || document.querySelector("dialog[open]")) { return; }
    if (run(event.key)) { event.preventDefault(); }
  });
  document.addEventListener("DOMContentLoaded", function () {
    help = document.getElementById("keys");
    box = document.getElementById("keys-on");
    if (!help || !help.showModal) { help = null; return; }
    box.addEventListener("change", function () { switchTo(box.checked); });
    document.addEventListener("click", function (event) {
      if (event.target.closest("[data-keys-button]")) { showHelp(); }
    });
  });
})();
