// The command palette: pages and actions at once, the team's own things from the server.
(function () {
  "use strict";

  var LEAST = 2; // letters before the server is asked
  var PAUSE = 150; // milliseconds without a key before it is asked
  var dialog, input, list, found, nothing;
  var waiting = null;
  var asking = null;

  function options() { return Array.from(list.querySelectorAll('[role="option"]:not([hidden])')); }
  function current() { return list.querySelector('[aria-selected="true"]'); }

  function choose(option) {
    var before = current();
    if (before && before !== option) { before.setAttribute("aria-selected", "false"); }
    if (option) {
      option.setAttribute("aria-selected", "true");
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }
  function step(by) {
    var all = options();
    if (!all.length) { return; }
    var at = all.indexOf(current());
    choose(all[(at + by + all.length) % all.length]);
  }
  function go(option, elsewhere) {
    if (!option) { return; }
    var address = option.getAttribute("data-href");
    if (elsewhere) { window.open(address, "_blank", "noopener"); return; }
    dialog.close();
    window.location.assign(address);
  }

  // --- what fits ----------------------------------------------------------------------------------
  function plain(text) { return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase(); }
  function narrow(text) {
    var words = plain(text).split(/\s+/).filter(Boolean);
    list.querySelectorAll("[data-places]").forEach(function (group) {
      var shown = 0;
      group.querySelectorAll('[role="option"]').forEach(function (option) {
        var name = plain(option.querySelector(".palette-name").textContent);
        option.hidden = !words.every(function (word) { return name.includes(word); });
        if (!option.hidden) { shown += 1; }
      });
      group.hidden = !shown;
    });
  }
  function settle(isComplete) {
    var all = options();
    if (!current() || current().hidden || !all.includes(current())) { choose(all[0] || null); }
    list.hidden = !all.length;
    input.setAttribute("aria-expanded", String(all.length > 0));
    var text = input.value.trim();
    var said = isComplete && !all.length ? tocsin.word("nothing", "Nothing found for “{text}”").replace("{text}", text) : "";
    if (nothing.textContent !== said) { nothing.textContent = said; }
  }
  function ask() {
    var text = input.value.trim();
    clearTimeout(waiting);
    if (asking) { asking.abort(); asking = null; }
    narrow(text);
    choose(null);
    if (text.length < LEAST) {
      found.textContent = "";
      settle(true);
      return;
    }
    settle(false);
    waiting = setTimeout(function () { askServer(text); }, PAUSE);
  }
  function askServer(text) {
    asking = new AbortController();
    var mine = asking;
    var address = dialog.getAttribute("data-find") + "?q=" + encodeURIComponent(text);
    fetch(address, { headers: { "HX-Request": "true" }, signal: mine.signal, credentials: "same-origin" })
      .then(function (answer) {
        if (answer.headers.get("HX-Refresh")) { window.location.reload(); }
        return answer.ok ? answer.text() : "";
      })
      .then(function (fragment) {
        if (mine !== asking) { return; }
        var page = new DOMParser().parseFromString(fragment, "text/html");
        found.replaceChildren.apply(found, Array.from(page.body.childNodes));
        settle(true);
      })
      .catch(function () { if (mine === asking) { found.textContent = ""; settle(true); } });
  }

  function open() {
    if (dialog.open) { return; }
    input.value = "";
    dialog.showModal();
    ask();
    input.focus();
  }

  document.addEventListener("DOMContentLoaded", function () {
    dialog = document.getElementById("palette");
    if (!dialog || !dialog.showModal) { return; }
    input = document.getElementById("palette-input");
    list = document.getElementById("palette-list");
    found = document.getElementById("palette-found");
    nothing = document.getElementById("palette-nothing");
    input.addEventListener("input", ask);
    input.addEventListener("keydown", function (event) {
      if (event.isComposing) { return; }
      var all = options();
      var moves = { ArrowDown: 1, ArrowUp: -1 };
      if (event.key in moves) { step(moves[event.key]); }
      else if (event.key === "PageDown") { choose(all[all.length - 1]); }
      else if (event.key === "PageUp") { choose(all[0]); }
      else if (event.key === "Enter") { go(current(), event.ctrlKey || event.metaKey); }
      else { return; }
      event.preventDefault();
    });
    list.addEventListener("mousedown", function (event) { event.preventDefault(); }); // the input keeps the focus
    list.addEventListener("click", function (event) {
      go(event.target.closest('[role="option"]'), event.ctrlKey || event.metaKey);
    });
    document.addEventListener("click", function (event) {
      if (event.target.closest("[data-palette-button]") && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        open();
      }
      var close = event.target.closest("[data-close]");
      if (close) { close.closest("dialog").close(); }
      else if (event.target.tagName === "DIALOG" && event.target.classList.contains("palette")) { event.target.close(); } // beside it
    });
    document.addEventListener("keydown", function (event) {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        document.querySelectorAll("dialog.palette[open]").forEach(function (each) { if (each !== dialog) { each.close(); } });
        open();
      }
    });
    window.tocsin.openPalette = open;
  });
})();
