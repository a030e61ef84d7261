// The page works without this: Ctrl+Enter asks, the button says that it works, code is copied with one click.
const form = document.getElementById("question");
const go = document.getElementById("go");

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});

form.addEventListener("submit", () => {
  for (const field of form.elements) {
    field.readOnly = true;
    if (field.name && !field.value) field.disabled = true; // the address holds what was written, nothing else
  }
  go.disabled = true;
  go.textContent = "working…";
});

window.addEventListener("pageshow", () => {
  for (const field of form.elements) field.readOnly = field.disabled = false;
  go.textContent = "Run";
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "copied";
  });
}
