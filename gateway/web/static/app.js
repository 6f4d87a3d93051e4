// What a page gains by script, each part optional: time left, copying a secret, the chosen row, the offline shell.

// Counts real seconds from when the server said how many are left, so a wrong clock on this machine does not matter.
const ends = new WeakMap();
function tick() {
  for (const el of document.querySelectorAll("[data-left]")) {
    const known = ends.get(el);
    if (!known || known.said !== el.dataset.left) ends.set(el, { said: el.dataset.left, at: performance.now() + 1000 * el.dataset.left });
    const left = Math.max(0, Math.ceil((ends.get(el).at - performance.now()) / 1000));
    el.textContent = left ? `${left} s left` : "sending now";
  }
}
setInterval(tick, 1000);
tick();

document.addEventListener("click", async event => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.querySelector("span").textContent = "Copied";
});
document.querySelectorAll("[data-copy]").forEach(button => { button.hidden = !navigator.clipboard; });
document.querySelectorAll("[data-print]").forEach(button => { button.hidden = false; button.addEventListener("click", () => print()); });

// The row whose forecast is shown is marked, also after a partial answer.
document.addEventListener("htmx:after:swap", () => {
  tick();
  const shown = document.getElementById("forecast")?.dataset.supply;
  if (!shown) return;
  for (const row of document.querySelectorAll(".row")) {
    const on = row.id === `supply-${shown}`;
    row.classList.toggle("is-on", on);
    if (on) row.firstElementChild.setAttribute("aria-current", "true");
    else row.firstElementChild.removeAttribute("aria-current");
  }
});

// The word beside the dot says whether the stream still runs.
for (const [event, word] of [["htmx:sse:after:connection", "Live"], ["htmx:sse:error", "Reconnecting"]]) {
  document.addEventListener(event, () => document.querySelectorAll(".live").forEach(el => { el.lastChild.textContent = word; }));
}

// A form that changes something is sent once.
document.addEventListener("submit", event => {
  if (event.target.dataset.sent) event.preventDefault();
  else if (!event.target.hasAttribute("hx-post") && event.target.method === "post") event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(form => delete form.dataset.sent));

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
