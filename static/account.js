/* Signing in and a person's own pages: show a password, guess a time zone. All works without. */
(function () {
  "use strict";
  function browserZone() {
    try { return Intl.DateTimeFormat().resolvedOptions().timeZone || ""; } catch (error) { return ""; }
  }

  // --- the button that shows what is typed ------------------------------------------------------
  function addReveals() {
    var template = document.getElementById("reveal");
    if (!template) { return; }
    document.querySelectorAll("input[type=password]").forEach(function (input) {
      var box = document.createElement("div");
      box.className = "reveal-box";
      // Bootstrap shows what is wrong only beside a thing that is marked so itself.
      box.classList.toggle("is-invalid", input.classList.contains("is-invalid"));
      input.parentNode.insertBefore(box, input);
      box.appendChild(input);
      var button = template.content.firstElementChild.cloneNode(true);
      box.appendChild(button);
      button.addEventListener("click", function () {
        var shown = input.type === "password";
        input.type = shown ? "text" : "password";
        button.textContent = shown ? button.dataset.hide : button.dataset.show;
        button.setAttribute("aria-pressed", String(shown));
        input.focus();
      });
      // Never sent, nor kept by the browser, as plain text.
      if (input.form) { input.form.addEventListener("submit", function () { input.type = "password"; }); }
    });
  }

  // --- time zones ---------------------------------------------------------------------------------
  function offerZone() {
    var zone = browserZone();
    var hidden = document.querySelector("input[data-zone-guess]");
    if (hidden) { hidden.value = zone; }
    var offer = document.querySelector("[data-zone-offer]");
    var field = document.querySelector("[data-zone]");
    if (!offer || !field || !zone || field.value === zone) { return; }
    var known = Array.prototype.some.call(document.querySelectorAll("#zones option"), function (option) {
      return option.value === zone;
    });
    if (!known) { return; }
    var name = offer.querySelector("[data-zone-name]");
    name.textContent = zone;
    offer.hidden = false;
    offer.querySelector("button").addEventListener("click", function () {
      field.value = zone;
      offer.hidden = true;
      field.focus();
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    addReveals();
    offerZone();
  });
})();
