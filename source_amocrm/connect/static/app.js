"use strict";

// Copying: a text from the page itself, or a secret that the server tells and the page never shows.
let secrets = null;

async function text(button) {
  if (button.dataset.copy !== undefined) return button.dataset.copy;
  secrets ??= fetch("/settings", { method: "POST" }).then((answer) => (answer.ok ? answer.json() : Promise.reject()));
  return (await secrets)[button.dataset.secret];
}

async function copy(button) {
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  const name = button.dataset.name ?? (button.dataset.name = button.getAttribute("aria-label") ?? label);
  const say = (shown, named) => {
    button.textContent = shown;
    button.setAttribute("aria-label", named);
  };
  try {
    // Safari copies only what was promised within the click
    if (window.ClipboardItem && !navigator.userAgent.includes("Firefox")) {
      const blob = text(button).then((found) => new Blob([found], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    } else {
      await navigator.clipboard.writeText(await text(button));
    }
    say(document.body.dataset.copied, document.body.dataset.copied);
    button.classList.add("copied");
  } catch {
    secrets = null;
    say(document.body.dataset.failed, document.body.dataset.failed);
  }
  setTimeout(() => {
    say(label, name);
    button.classList.remove("copied");
  }, 2500);
}

for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = !navigator.clipboard;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => copy(button));
}

// What takes a while says so, and is not sent twice.
function busy(button) {
  button.setAttribute("aria-busy", "true");
  button.textContent = document.body.dataset.wait;
}

for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    const button = form.querySelector("button:not([type=button])");
    if (button.getAttribute("aria-busy")) event.preventDefault();
    else busy(button);
  });
}
for (const link of document.querySelectorAll("a[data-busy]")) {
  link.addEventListener("click", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) busy(link);
  });
}
// Back to a page that the browser kept: as it was before it was left
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

for (const scripted of document.querySelectorAll(".scripted")) scripted.hidden = !navigator.clipboard;

// What is to be mended: the field itself, else what is told of the whole page.
(document.querySelector("[aria-invalid]") ?? document.getElementById("problem"))?.focus();
