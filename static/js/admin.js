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

// What the admin's templates leave out for who hears the page, or has no mouse. Dialogs and rows that come later are
// gone through as they come.
const named = (element) => element.ariaLabel || element.title || element.labels?.length;
const shown = (element) => element.checkVisibility({ visibilityProperty: true });
const wordsOf = (element) => [...element.childNodes].map((node) =>
  node.nodeType === Node.TEXT_NODE ? node.textContent : node.classList?.contains("material-symbols-outlined") ? "" : wordsOf(node)).join("").trim();
const columnOf = (cell) => {
  if (cell?.dataset.label) return cell.dataset.label;
  const heading = cell?.closest("table")?.tHead?.rows[0]?.cells[cell.cellIndex];
  return heading ? wordsOf(heading) || "Remove" : "";
};

function describe(part) {
  // A letter of an icon font is read out as its name, "chevron_right".
  for (const icon of part.querySelectorAll(".material-symbols-outlined")) {
    icon.ariaHidden = "true";
    const pressed = icon.closest("a, button, #dialog > [x-on\\:click]");
    if (pressed && !named(pressed) && !wordsOf(pressed)) pressed.ariaLabel = icon.textContent.trim().replaceAll("_", " ");
  }
  // Menus and crosses that only a mouse could press.
  for (const pressed of part.querySelectorAll("a:not([href])[x-on\\:click], #dialog > div[x-on\\:click]")) {
    pressed.role = "button";
    pressed.tabIndex = 0;
    if (pressed.matches("li > a")) pressed.ariaHasPopup = "true";
  }
  for (const control of part.querySelectorAll("table td :is(input:not([type=hidden]), select, textarea)")) {
    const column = columnOf(control.closest("td"));
    if (column && !control.ariaLabel && !control.labels?.length) control.ariaLabel = column;
  }
  for (const heading of part.querySelectorAll("table thead th")) {
    if (!heading.textContent.trim() && !heading.querySelector("input")) heading.insertAdjacentHTML("beforeend", '<span class="fin-hidden">Remove</span>');
  }
  for (const box of part.querySelectorAll(".fin-difference")) if (box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  for (const sign of part.querySelectorAll("span.help-tooltip[aria-label]")) sign.role = "img";
  // Lists with a search in them, made of a select.
  for (const list of part.querySelectorAll("span.select2-container")) {
    const select = list.previousElementSibling;
    const name = select?.labels?.[0]?.textContent.trim().replace(/\*$/, "") || select?.ariaLabel || columnOf(list.closest("td"));
    if (!name) continue;
    for (const field of list.querySelectorAll(".select2-selection, [role=textbox], .select2-search__field")) {
      field.removeAttribute("aria-labelledby");
      field.ariaLabel = name;
    }
    for (const item of list.querySelectorAll("ul.select2-selection__rendered, ul.select2-selection__rendered > li")) item.role = "presentation";
  }
}
// After the scripts that make fields of their own as the page is loaded.
window.addEventListener("load", () => setTimeout(() => describe(document), 50));
document.addEventListener("formset:added", (event) => setTimeout(() => describe(event.target)));

// Dialogs: said to be one, entered and left with the keyboard.
let opener = null;
document.addEventListener("htmx:afterSettle", () => {
  const dialog = document.getElementById("dialog");
  if (!dialog) return;
  describe(dialog.parentElement);
  dialog.role = "dialog";
  dialog.ariaModal = "true";
  dialog.ariaLabel = dialog.querySelector("h1")?.textContent.trim() || "Dialog";
  if (dialog.contains(document.activeElement)) return;
  opener = document.activeElement;
  [...dialog.querySelectorAll("form :is(input:not([type=hidden]), select, textarea, button)")].find(shown)?.focus();
});
document.addEventListener("keydown", (event) => {
  const dialog = document.getElementById("dialog");
  const isOpen = dialog && shown(dialog);
  if (event.key === "Escape" && isOpen) opener?.focus();
  if (event.key === "Tab" && isOpen) {
    const stops = [...dialog.querySelectorAll("a, button, [tabindex='0'], input:not([type=hidden]), select, textarea")].filter(shown);
    const leaves = event.shiftKey ? stops[0] : stops.at(-1);
    if (event.target === leaves || !dialog.contains(event.target)) {
      event.preventDefault();
      (event.shiftKey ? stops.at(-1) : stops[0])?.focus();
    }
  }
  if ((event.key === "Enter" || event.key === " ") && event.target.matches?.("a:not([href])[role=button], div[role=button]")) {
    event.preventDefault();
    event.target.click();
    // Its menu stands at the end of the page.
    if (event.target.ariaHasPopup) setTimeout(() => [...document.querySelectorAll("body > nav a")].find(shown)?.focus(), 100);
  }
});
