// Parts of a page that ask for themselves anew (data-live). Whoever works in one is not disturbed:
// news waits behind a button. A lost connection is said, a busy server is left alone for a while.
(function () {
  "use strict";

  var LONGEST_WAIT = 60; // seconds between polls of a server that does not answer
  var LONGEST_ASKED = 300; // of what a Retry-After may ask for
  var STALE_AFTER = 20; // seconds without an answer, if even one poll has failed
  var failed = 0;
  var quietUntil = 0; // of this machine's clock, as are all below
  var lastGood = Date.now();
  var lastPoll = Date.now();
  var forced = null; // the part that somebody asked to see
  var given = new WeakSet(); // details that the server sent open
  var kept = new WeakMap(); // what is put back after a swap, by part

  function parts() { return document.querySelectorAll("[data-live]"); }
  function isPoll(event) {
    var config = event.detail.requestConfig;
    return Boolean(config && config.elt.hasAttribute("data-live"));
  }

  // --- who is at work in it ---------------------------------------------------------------------
  function isChanged(field) {
    if (field.type === "hidden" || field.type === "submit") { return false; }
    if (field.type === "checkbox" || field.type === "radio") { return field.checked !== field.defaultChecked; }
    if (field.tagName !== "SELECT") { return field.value !== field.defaultValue; }
    var options = Array.from(field.options);
    if (!field.multiple && !options.some(function (option) { return option.defaultSelected; })) {
      return field.selectedIndex > 0;
    }
    return options.some(function (option) { return option.selected !== option.defaultSelected; });
  }
  function isBusy(live) {
    var active = document.activeElement;
    if (active !== live && live.contains(active)) { return true; }
    var selection = window.getSelection();
    if (!selection.isCollapsed && (live.contains(selection.anchorNode) || live.contains(selection.focusNode))) { return true; }
    var open = Array.from(live.querySelectorAll("details[open], dialog[open]"));
    if (open.some(function (each) { return !given.has(each); })) { return true; }
    return Array.from(live.querySelectorAll("input, select, textarea")).some(isChanged);
  }

  // --- what counts as news ------------------------------------------------------------------------
  // A part says so itself (data-news, data-state); else it is whatever would read differently.
  function newsOf(part) {
    var named = part.querySelector("[data-news]");
    if (named) { return named.getAttribute("data-news"); }
    var state = part.querySelector("[data-state]");
    if (state) { return state.getAttribute("data-state"); }
    var copy = part.cloneNode(true);
    copy.querySelectorAll("time, svg, script, input").forEach(function (each) { each.remove(); });
    return copy.textContent.replace(/\s+/g, " ").trim();
  }
  function buttonOf(live) {
    var before = live.previousElementSibling;
    return before && before.classList.contains("news") ? before : null;
  }
  function offer(live, page) {
    tocsin.announce(live, page);
    if (buttonOf(live)) { return; }
    var line = document.createElement("div");
    line.className = "news";
    var button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm btn-plain";
    button.textContent = tocsin.word("changed", "Something has changed · show");
    button.addEventListener("click", function () { forced = live; poll(live); });
    line.appendChild(button);
    live.before(line);
    tocsin.say(button.textContent);
  }
  function withdraw(live) {
    var line = buttonOf(live);
    if (!line) { return; }
    if (line.contains(document.activeElement)) {
      live.tabIndex = -1;
      live.focus({ preventScroll: true });
    }
    line.remove();
  }

  // --- what a swap leaves as it was -----------------------------------------------------------------
  function nameOf(details, index) {
    var summary = details.querySelector("summary");
    return details.id || index + " " + (summary ? summary.textContent.trim() : "");
  }
  function pathOf(live, element) {
    var path = [];
    for (var each = element; each !== live; each = each.parentElement) {
      path.unshift(Array.prototype.indexOf.call(each.parentElement.children, each));
    }
    return path;
  }
  function keep(live) {
    var details = {};
    live.querySelectorAll("details").forEach(function (each, index) { details[nameOf(each, index)] = each.open; });
    var scrolled = Array.from(live.querySelectorAll("*")).filter(function (each) {
      return each.scrollTop > 0 || each.scrollLeft > 0;
    }).map(function (each) { return [pathOf(live, each), each.scrollLeft, each.scrollTop]; });
    kept.set(live, { details: details, scrolled: scrolled, x: window.scrollX, y: window.scrollY });
  }
  function putBack(live) {
    var before = kept.get(live);
    markGiven(live);
    if (!before) { return; }
    kept.delete(live);
    live.querySelectorAll("details").forEach(function (each, index) {
      var open = before.details[nameOf(each, index)];
      if (open !== undefined && open !== each.open) { each.open = open; }
    });
    before.scrolled.forEach(function (item) {
      var element = item[0].reduce(function (each, index) { return each && each.children[index]; }, live);
      if (element) { element.scrollLeft = item[1]; element.scrollTop = item[2]; }
    });
    if (window.scrollX !== before.x || window.scrollY !== before.y) { window.scrollTo(before.x, before.y); }
  }
  function markGiven(live) {
    live.querySelectorAll("details[open]").forEach(function (each) { given.add(each); });
  }

  // --- when to ask ------------------------------------------------------------------------------------
  function poll(live) {
    var address = live.getAttribute("hx-get");
    if (!address || !window.htmx) { return; }
    window.htmx.ajax("GET", address, { source: live, target: live, swap: "innerHTML" });
  }
  function catchUp() {
    if (document.hidden || Date.now() < quietUntil || Date.now() - lastPoll < 1000) { return; }
    parts().forEach(poll);
  }
  function answered() {
    failed = 0;
    quietUntil = 0;
    lastGood = Date.now();
    var banner = document.getElementById("stale");
    if (banner && banner.textContent) { banner.textContent = ""; }
  }
  function failedOnce(xhr) {
    failed += 1;
    var asked = parseInt(xhr.status ? xhr.getResponseHeader("Retry-After") : "", 10);
    var wait = asked > 0 ? Math.min(asked, LONGEST_ASKED) : Math.min(Math.pow(2, failed), LONGEST_WAIT);
    quietUntil = Date.now() + wait * 1000;
    if (failed > 1) { sayStale(); }
  }
  function sayStale() {
    var banner = document.getElementById("stale");
    if (!banner || banner.textContent) { return; }
    var since = tocsin.sayClock(lastGood);
    banner.textContent = tocsin.word("stale", "Not updated since {time}").replace("{time}", since);
  }

  document.addEventListener("htmx:beforeRequest", function (event) {
    if (!isPoll(event)) { return; }
    // A hidden tab asks for nothing; it catches up when it is looked at again.
    if (document.hidden || (Date.now() < quietUntil && forced !== event.detail.requestConfig.elt)) {
      event.preventDefault();
      if (failed && Date.now() - lastGood > STALE_AFTER * 1000) { sayStale(); }
      return;
    }
    lastPoll = Date.now();
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    var live = event.detail.target;
    if (!isPoll(event) || !live.hasAttribute("data-live") || event.detail.xhr.status !== 200) { return; }
    if (forced === live || !isBusy(live)) {
      keep(live);
      return;
    }
    event.detail.shouldSwap = false;
    var page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").body;
    if (newsOf(page) !== newsOf(live)) { offer(live, page); } else { withdraw(live); }
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    var live = event.detail.target;
    if (!live || !live.hasAttribute || !live.hasAttribute("data-live")) { return; }
    withdraw(live);
    putBack(live);
    tocsin.readClock(live);
    tocsin.tick();
    tocsin.announce(live, live);
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (!isPoll(event)) { return; }
    if (forced === event.detail.requestConfig.elt) { forced = null; }
    var xhr = event.detail.xhr;
    if (xhr.status >= 200 && xhr.status < 400) { answered(); } else { failedOnce(xhr); }
  });
  document.addEventListener("visibilitychange", catchUp);
  window.addEventListener("pageshow", function (event) { if (event.persisted) { catchUp(); } });
  window.addEventListener("online", function () { quietUntil = 0; catchUp(); });
  document.addEventListener("DOMContentLoaded", function () {
    parts().forEach(function (live) {
      markGiven(live);
      tocsin.announce(live, live);
    });
  });
})();
