// The editor of a status page: dragging components and groups, colours that are picked, and a
// preview that follows the form. Without this file there are buttons for all of it.
(function () {
  "use strict";

  var parts = document.querySelector("[data-parts]");
  var form = document.getElementById("settings");

  function say(text) {
    var voice = document.getElementById("voice");
    if (voice) { voice.textContent = text; }
  }
  function frame() { return document.querySelector(".preview-frame:not(.waiting)"); }

  // --- the order of components and groups ----------------------------------------------------------
  var drag = null; // {item, isLine, pointer, mark, before}
  var saving = false;

  function lists() { return Array.prototype.slice.call(parts.querySelectorAll("[data-lines]")); }
  function rows(parent, selector) {
    return Array.prototype.slice.call(parent.querySelectorAll(selector));
  }
  function distance(box, y) { return y < box.top ? box.top - y : Math.max(0, y - box.bottom); }
  function nearestList(y) {
    return lists().reduce(function (best, list) {
      var away = distance(list.closest(".part").getBoundingClientRect(), y);
      return best && best.away <= away ? best : { list: list, away: away };
    }, null).list;
  }
  function insertMark(parent, siblings, y) {
    var next = siblings.find(function (row) {
      var box = row.getBoundingClientRect();
      return y < box.top + box.height / 2;
    });
    if (next) { next.before(drag.mark); }
    else if (siblings.length) { siblings[siblings.length - 1].after(drag.mark); }
    else { parent.append(drag.mark); }
  }
  function others(parent) {
    return rows(parent, drag.isLine ? "[data-line]" : "[data-part]")
      .filter(function (row) { return row !== drag.item; });
  }
  function placeMark(y) {
    var parent = drag.isLine ? nearestList(y) : parts;
    insertMark(parent, others(parent), y);
  }
  function whereIs(node) {
    var parent = drag.isLine ? node.closest("[data-lines]") : parts;
    var before = others(parent).filter(function (row) {
      return row.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING;
    });
    return { parent: parent, position: before.length };
  }
  function begin(event) {
    var grip = event.target.closest("[data-grip]");
    if (!grip || event.button || drag || saving) { return; }
    event.preventDefault();
    var line = grip.closest("[data-line]");
    var mark = document.createElement(line ? "li" : "div");
    mark.className = "drop-mark";
    drag = { item: line || grip.closest("[data-part]"), isLine: !!line, pointer: event.pointerId, mark: mark };
    drag.item.classList.add("dragged");
    parts.classList.add("dragging");
  }
  function follow(event) {
    if (!drag || event.pointerId !== drag.pointer) { return; }
    if (event.clientY < 64) { window.scrollBy(0, -12); }
    if (event.clientY > window.innerHeight - 64) { window.scrollBy(0, 12); }
    placeMark(event.clientY);
  }
  function stop() {
    drag.item.classList.remove("dragged");
    parts.classList.remove("dragging");
    drag.mark.remove();
    drag = null;
  }
  function drop(event) {
    if (!drag || event.pointerId !== drag.pointer) { return; }
    if (!drag.mark.isConnected) { stop(); return; }
    var from = whereIs(drag.item);
    var to = whereIs(drag.mark);
    var body = new URLSearchParams({ position: String(to.position) });
    var item = drag.item;
    var moved = from.parent !== to.parent || from.position !== to.position;
    if (drag.isLine) { body.set("group", to.parent.getAttribute("data-group")); }
    if (moved) { drag.mark.replaceWith(item); }
    stop();
    if (moved) { save(item, body); }
  }
  // `label` is that of the button that was pressed: it, or at an end its neighbour, stays in focus.
  function focusOn(label) {
    var button = rows(parts, "button[name=to]").find(function (one) {
      return one.getAttribute("aria-label") === label;
    });
    if (button && button.disabled) { button = button.parentNode.querySelector("button:not(:disabled)"); }
    if (button) { button.focus(); }
  }
  function press(event) {
    var button = event.submitter;
    if (!button || button.name !== "to") { return; }
    event.preventDefault();
    if (saving || drag) { return; }
    var body = new URLSearchParams({ to: button.value });
    save(button.closest("[data-line], [data-part]"), body, button.getAttribute("aria-label"));
  }
  function save(item, body, label) {
    var name = item.getAttribute("data-name") || item.querySelector("h2").textContent;
    var token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    saving = true;
    fetch(item.getAttribute("data-move"), { method: "POST", body: body, headers: { "X-CSRFToken": token } })
      .then(function (answer) {
        if (!answer.ok) { throw new Error(answer.statusText); }
        return answer.text();
      })
      .then(function (text) {
        var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-parts]");
        parts.replaceChildren.apply(parts, Array.prototype.slice.call(fresh.childNodes));
        frame().contentWindow.location.reload();
        say(name + " moved");
        saving = false;
        if (label) { focusOn(label); }
      })
      .catch(function () { window.location.reload(); }); // what is stored is what counts
  }
  if (parts) {
    parts.addEventListener("pointerdown", begin);
    parts.addEventListener("submit", press);
    document.addEventListener("pointermove", follow);
    document.addEventListener("pointerup", drop);
    document.addEventListener("pointercancel", function (event) {
      if (drag && event.pointerId === drag.pointer) { stop(); }
    });
    document.addEventListener("keydown", function (event) {
      if (drag && event.key === "Escape") { stop(); }
    });
  }

  if (!form) { return; }

  // --- colours: the picker and the text beside it ---------------------------------------------------
  form.querySelectorAll("[data-colour]").forEach(function (picker) {
    var text = document.getElementById(picker.getAttribute("data-colour"));
    picker.addEventListener("input", function () { text.value = picker.value; });
    text.addEventListener("input", function () {
      if (/^#[0-9a-f]{6}$/i.test(text.value)) { picker.value = text.value; }
      if (!text.value) { picker.value = picker.getAttribute("data-usual"); }
    });
  });

  // --- the preview: the form is sent into a second frame, which takes the place of the first -------
  var button = document.querySelector("[data-preview-button]");
  var timer = null;
  var waiting = null; // the frame that is being filled
  var again = false;
  var count = 0; // a frame keeps the name that it was made with

  function isPage(made) {
    try { return !!made.contentDocument.querySelector(".banner"); } catch (error) { return false; }
  }
  function refresh() {
    if (waiting) { again = true; return; }
    var old = frame();
    waiting = old.cloneNode(false);
    waiting.removeAttribute("src");
    count += 1;
    waiting.name = "preview-" + count;
    waiting.classList.add("waiting");
    old.after(waiting);
    var place = old.contentWindow.scrollY;
    waiting.addEventListener("load", function () {
      var made = waiting;
      if (made.contentWindow.location.href === "about:blank") { return; }
      waiting = null;
      if (isPage(made)) {
        old.remove();
        made.classList.remove("waiting");
        made.contentWindow.scrollTo(0, place);
      } else {
        made.remove(); // logged out, or the page is gone: saving says so
      }
      if (again) { again = false; refresh(); }
    });
    button.formTarget = waiting.name;
    form.requestSubmit(button);
    button.formTarget = "preview";
  }
  function refreshSoon() {
    clearTimeout(timer);
    timer = setTimeout(refresh, 350);
  }
  form.addEventListener("input", refreshSoon);
  document.querySelectorAll("[data-refreshes]").forEach(function (field) {
    field.addEventListener("change", refreshSoon);
  });
  form.addEventListener("submit", function (event) {
    // A click on the button goes the same way, so that "back" leaves the editor.
    if (event.submitter === button && button.formTarget === "preview") {
      event.preventDefault();
      refresh();
    }
  });
})();
