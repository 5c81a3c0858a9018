// Small conveniences; every page works without them.
(() => {
  "use strict";

  // A filter form sends only what was filled in, so that its address is short enough to read and to
  // share; htmx and the browser both ask the form for its data.
  document.addEventListener("formdata", (event) => {
    if (event.target.method !== "get") return;
    for (const [name, value] of [...event.formData]) {
      if (value === "") event.formData.delete(name);
    }
  });

  // A form that changes something is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "true";
    window.addEventListener("pageshow", () => { delete form.dataset.sent; }, { once: true });
  });

  // Paying happens in another tab: who comes back from there sees what has become of it.
  document.addEventListener("click", (event) => {
    if (!event.target.closest("a[data-pays]")) return;
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") location.reload();
    });
  });

  // Choosing a period shows it at once; the button beside it is for who has no script.
  document.querySelectorAll("select[data-submit]").forEach((select) => {
    select.addEventListener("change", () => select.form.requestSubmit());
    const button = select.form.querySelector("button[type=submit]");
    if (button) button.classList.add("visually-hidden");
  });

  // Long tables of numbers are open on paper and closed on the screen again afterwards.
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details.numbers:not([open])").forEach((details) => {
      details.open = true;
      details.dataset.openedForPrint = "true";
    });
  });
  window.addEventListener("afterprint", () => {
    document.querySelectorAll("details[data-opened-for-print]").forEach((details) => {
      details.open = false;
      delete details.dataset.openedForPrint;
    });
  });
})();
