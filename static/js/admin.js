// A chosen file fills the field that its lines would be pasted into. Dialogs come later than this.
document.addEventListener("change", async (event) => {
  const input = event.target;
  if (!(input instanceof HTMLInputElement) || !input.dataset.fills || !input.files.length) return;
  const field = input.form.elements.namedItem(input.dataset.fills);
  field.value = await input.files[0].text();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// Names what can be scrolled, for who hears the page; before its script makes regions of them.
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("nav-sidebar-inner")?.setAttribute("aria-label", "Main");
  document.querySelectorAll("[data-simplebar]").forEach((part, place) => {
    const heading = part.closest(".inline-group")?.querySelector("h2");
    const name = part.id === "nav-sidebar-apps" ? "Menu" : heading?.textContent.trim() || `Part ${place} of this page`;
    part.dataset.simplebarAriaLabel = name;
  });
});

// The box above a column of boxes chooses all of them, or none.
document.addEventListener("change", (event) => {
  const all = event.target;
  if (!(all instanceof HTMLInputElement) || !all.dataset.chooses) return;
  for (const box of all.form.elements) if (box.type === "checkbox" && box.name === all.dataset.chooses) box.checked = all.checked;
});
