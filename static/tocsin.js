// The console works without this file. With it, times count, the theme can be chosen, and
// snippets can be copied. What live.js, palette.js and shortcuts.js share is in `tocsin`.
(function () {
  "use strict";

  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  root.classList.add("js");

  // --- theme: the system's unless somebody chose --------------------------------------------
  function chosenTheme() {
    try { return localStorage.getItem("theme"); } catch (error) { return null; }
  }
  function applyTheme() {
    root.setAttribute("data-bs-theme", chosenTheme() || (dark.matches ? "dark" : "light"));
  }
  applyTheme(); // before the first paint: this file is loaded in the head
  dark.addEventListener("change", applyTheme);

  function nextTheme() {
    var order = ["", "light", "dark"];
    var next = order[(order.indexOf(chosenTheme() || "") + 1) % order.length];
    try {
      if (next) { localStorage.setItem("theme", next); } else { localStorage.removeItem("theme"); }
    } catch (error) { /* private mode: the choice lasts until the next page */ }
    applyTheme();
    nameThemes();
  }
  function nameThemes() {
    var names = { "": "system", light: "light", dark: "dark" };
    document.querySelectorAll("[data-theme-button]").forEach(function (button) {
      button.textContent = button.getAttribute("data-" + names[chosenTheme() || ""]);
    });
  }

  // --- words: the page brings them along in its own language ----------------------------------
  function word(name, otherwise) {
    var words = document.getElementById("words");
    return (words && words.getAttribute("data-" + name)) || otherwise;
  }

  // --- times: relative to the server's clock, whatever this machine's says --------------------
  var offset = 0;
  function readClock(scope) {
    var stamp = scope.querySelector("[data-now]");
    var now = stamp ? Date.parse(stamp.getAttribute("data-now")) : NaN;
    if (!isNaN(now)) { offset = now - Date.now(); }
  }
  function sayDuration(seconds, units) {
    var sizes = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    var left = Math.max(0, Math.round(seconds));
    var parts = [];
    for (var i = 0; i < sizes.length; i += 1) {
      var count = Math.floor(left / sizes[i][0]);
      left -= count * sizes[i][0];
      if (count) { parts.push(count + " " + sizes[i][1]); } else if (parts.length) { break; }
    }
    return parts.slice(0, units).join(" ") || "0 s";
  }
  function sayTime(element, now) {
    var away = (now - Date.parse(element.dateTime)) / 1000;
    if (isNaN(away)) { return null; } // what the server wrote stays
    if (element.dataset.kind === "countdown") { return "in " + sayDuration(-away, 2); }
    if (element.dataset.kind === "lasting") { return sayDuration(away, 2); }
    var size = Math.abs(away);
    if (size >= 30 * 86400) { return null; }
    if (size < 1) { return "now"; }
    var said = sayDuration(size, size < 3600 ? 1 : 2);
    return away > 0 ? said + " ago" : "in " + said;
  }
  function tick() {
    var now = Date.now() + offset;
    document.querySelectorAll("time[data-kind]").forEach(function (element) {
      var said = sayTime(element, now);
      if (said !== null && said !== element.textContent) { element.textContent = said; }
    });
  }

  function sayClock(at) {
    var zone = word("zone", "UTC");
    var wanted = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };
    try {
      wanted.timeZone = zone;
      return new Intl.DateTimeFormat("en-GB", wanted).format(at + offset);
    } catch (error) { // a zone that this browser does not know
      wanted.timeZone = "UTC";
      return new Intl.DateTimeFormat("en-GB", wanted).format(at + offset);
    }
  }

  // --- what a screen reader and the tab are told of a change ----------------------------------
  function say(text) {
    var voice = document.getElementById("voice");
    if (voice) { voice.textContent = text; }
  }
  // `page` is what came last for the live part: itself, or what waits until somebody asks for it.
  function announce(live, page) {
    var state = page.querySelector("[data-state]");
    if (!state) { return; }
    var said = state.getAttribute("data-state");
    if (live.dataset.said && live.dataset.said !== said) {
      say(said);
      state.classList.add("changed");
    }
    live.dataset.said = said;
    var title = state.getAttribute("data-title");
    if (title) { document.title = title; }
  }

  function copy(button) {
    var source = document.getElementById(button.getAttribute("data-copy"));
    var text = source.textContent;
    function done() {
      var before = button.textContent;
      button.textContent = word("copied", "Copied");
      setTimeout(function () { button.textContent = before; }, 1500);
    }
    if (navigator.clipboard) {
      navigator.clipboard.writeText(text).then(done, function () { select(source); });
    } else {
      select(source);
      if (document.execCommand("copy")) { done(); }
    }
  }
  function select(element) {
    var range = document.createRange();
    range.selectNodeContents(element);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy], [data-theme-button]");
    if (button && button.hasAttribute("data-copy")) { copy(button); }
    else if (button) { nextTheme(); }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) { menu.open = false; }
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") { return; }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });
  document.addEventListener("DOMContentLoaded", function () {
    readClock(document);
    nameThemes();
    tick();
    setInterval(tick, 1000);
    // A page that answers a form keeps its own address, so that loading it again asks anew.
    var place = document.querySelector("[data-address]");
    if (place) { history.replaceState(null, "", place.getAttribute("data-address")); }
    var named = document.querySelector("[data-slug-for]");
    if (named) { followName(named, document.getElementById(named.getAttribute("data-slug-for"))); }
  });

  window.tocsin = { readClock: readClock, tick: tick, sayClock: sayClock, word: word, say: say, announce: announce };

  function followName(name, slug) {
    var own = false;
    slug.addEventListener("input", function () { own = true; });
    name.addEventListener("input", function () {
      if (own) { return; }
      slug.value = name.value.replace(/ß/g, "ss").normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
        .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
    });
  }
})();
