// Copy buttons, and parts of a page that follow what happens. Every page works without this file.
"use strict";

document.querySelectorAll(".copy").forEach((button) => {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.closest(".code").querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
});

if (document.querySelector("[data-live]") && window.EventSource) {
  let due = null;
  const refresh = async () => {
    due = null;
    const reply = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    document.title = page.title;
    document.querySelectorAll("[data-live]").forEach((part) => {
      const fresh = page.getElementById(part.id);
      if (fresh) part.replaceChildren(...fresh.childNodes);
    });
  };
  const soon = () => { due = due ?? setTimeout(refresh, 200); };
  const events = new EventSource(document.body.dataset.root + "/inbox/stream");
  ["asked", "answered", "withdrawn", "superseded"].forEach((name) => events.addEventListener(name, soon));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
}
