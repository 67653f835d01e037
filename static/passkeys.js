/* Passkeys: asks the browser to make or use one, and sends what it answers as a form.
   data-passkey on a form is "create", "get" (options are in the page) or "login" (fetched). */
(function () {
  "use strict";
  function toBytes(text) {
    var plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, function (letter) { return letter.charCodeAt(0); });
  }
  function toText(buffer) {
    var plain = "";
    new Uint8Array(buffer).forEach(function (byte) { plain += String.fromCharCode(byte); });
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }
  function readIds(list) {
    return (list || []).map(function (item) { return Object.assign({}, item, { id: toBytes(item.id) }); });
  }
  function readOptions(options, kind) {
    var key = Object.assign({}, options.publicKey);
    key.challenge = toBytes(key.challenge);
    if (kind === "create") {
      key.user = Object.assign({}, key.user, { id: toBytes(key.user.id) });
      key.excludeCredentials = readIds(key.excludeCredentials);
    } else {
      key.allowCredentials = readIds(key.allowCredentials);
    }
    return { publicKey: key };
  }
  function writeCredential(credential) {
    var answer = credential.response;
    var response = { clientDataJSON: toText(answer.clientDataJSON) };
    ["attestationObject", "authenticatorData", "signature", "userHandle"].forEach(function (part) {
      if (answer[part]) { response[part] = toText(answer[part]); }
    });
    if (answer.getTransports) { response.transports = answer.getTransports(); }
    return JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment || null,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: response
    });
  }
  function optionsInPage(form) {
    var data = JSON.parse(document.getElementById("js_data").textContent);
    return Promise.resolve(form.dataset.passkey === "create" ? data.creation_options : data.request_options);
  }
  function optionsFetched(form) {
    return fetch(form.action, { headers: { Accept: "application/json" }, credentials: "same-origin" }).then(function (answer) {
      if (!answer.ok) { throw new Error("no options"); }
      return answer.json();
    }).then(function (data) { return data.request_options; });
  }
  function askBrowser(form, options) {
    if (form.dataset.passkey !== "create") { return navigator.credentials.get(readOptions(options, "get")); }
    var asked = readOptions(options, "create");
    var alone = form.querySelector("input[name=passwordless]");
    if (alone) {
      asked.publicKey.authenticatorSelection = Object.assign({}, asked.publicKey.authenticatorSelection, {
        residentKey: alone.checked ? "required" : "discouraged",
        requireResidentKey: alone.checked
      }, alone.checked ? { userVerification: "required" } : {});
    }
    return navigator.credentials.create(asked);
  }
  function whyNot(form, error) {
    var words = form.dataset;
    if (error && error.name === "SecurityError") { return words.wordsAddress; }
    if (error && error.name === "InvalidStateError") { return words.wordsKnown; }
    if (error && (error.name === "NotAllowedError" || error.name === "AbortError")) { return words.wordsStopped; }
    return words.wordsFailed;
  }
  function prepare(form) {
    var button = form.querySelector("[data-passkey-button]");
    var said = document.getElementById(form.dataset.says);
    function say(text) { said.textContent = text; said.hidden = !text; }
    if (!window.PublicKeyCredential || !navigator.credentials) {
      button.disabled = true;
      say(form.dataset.wordsUnable);
      return;
    }
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      if (button.disabled) { return; }
      button.disabled = true;
      say("");
      var options = form.dataset.passkey === "login" ? optionsFetched(form) : optionsInPage(form);
      options.then(function (found) { return askBrowser(form, found); }).then(function (credential) {
        form.querySelector("input[name=credential]").value = writeCredential(credential);
        HTMLFormElement.prototype.submit.call(form);
      }).catch(function (error) {
        button.disabled = false;
        say(whyNot(form, error));
      });
    });
  }
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("form[data-passkey]").forEach(prepare);
  });
  // A page that comes back out of the browser's memory can be sent again.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) {
      document.querySelectorAll("[data-passkey-button]").forEach(function (button) { button.disabled = false; });
    }
  });
})();
