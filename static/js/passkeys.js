// Asks the browser for a passkey, or to make one: <form data-passkey="get"> or "create", whose options stand in the
// page's json_script "passkey-options". What the browser answers goes into the form's field `answer`, and the form is sent.
(() => {
  "use strict";

  const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  function readOptions(options) {
    const listed = (keys) => (keys || []).map((key) => ({ ...key, id: toBytes(key.id) }));
    const read = { ...options, challenge: toBytes(options.challenge) };
    if (options.user) return { ...read, user: { ...options.user, id: toBytes(options.user.id) }, excludeCredentials: listed(options.excludeCredentials) };
    return { ...read, allowCredentials: listed(options.allowCredentials) };
  }

  function written(credential) {
    const { response } = credential;
    const parts = { clientDataJSON: toText(response.clientDataJSON) };
    if (response.attestationObject) {
      parts.attestationObject = toText(response.attestationObject);
      parts.transports = response.getTransports ? response.getTransports() : [];
    } else {
      parts.authenticatorData = toText(response.authenticatorData);
      parts.signature = toText(response.signature);
    }
    return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response: parts });
  }

  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  const said = form.querySelector("[data-passkey-refusal]");
  // Its texts, in the page's language, by the names of the browser's errors.
  const { dataset: texts } = said;
  const tell = (text) => { said.textContent = text; said.hidden = !text; };
  if (!window.PublicKeyCredential) {
    form.querySelector("button").disabled = true;
    tell(texts.none);
    return;
  }
  const publicKey = readOptions(JSON.parse(document.getElementById("passkey-options").textContent));

  form.addEventListener("submit", async (event) => {
    const answer = form.elements.namedItem("answer");
    if (answer.value) return;
    event.preventDefault();
    tell("");
    try {
      answer.value = written(await navigator.credentials[form.dataset.passkey]({ publicKey }));
      form.requestSubmit();
    } catch (error) {
      tell(texts[error.name.charAt(0).toLowerCase() + error.name.slice(1)] || `${texts.other} ${error.message}`);
    }
  });
  // Whoever comes back to this page is asked anew.
  window.addEventListener("pageshow", () => { form.elements.namedItem("answer").value = ""; });
})();
