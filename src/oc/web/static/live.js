// Keeps a page up to date: what the server sends takes the place of the elements with the same ids.
"use strict";

(() => {
  const AGAIN_MS = 5000;
  const waiting = new Map(); // parts in which somebody is writing, by id: they are replaced afterwards
  let source = null;
  let timer = 0;

  const writing = (element) => {
    const active = document.activeElement;
    return element.contains(active) && active.matches("input:not([type=checkbox]), textarea, select") ? active : null;
  };

  function put(element) {
    const old = document.getElementById(element.id);
    if (!old || old.isEqualNode(element)) return;
    if (writing(old)) {
      waiting.set(element.id, element);
      return;
    }
    const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
    for (const open of old.querySelectorAll("details[open][id]")) {
      const same = element.querySelector(`#${CSS.escape(open.id)}`);
      if (same) same.open = true;
    }
    old.replaceWith(element);
    window.htmx?.process(element);
    if (focus) (document.getElementById(focus) ?? element.querySelector("button, summary, a"))?.focus({ preventScroll: true });
  }

  function take(event) {
    const template = document.createElement("template");
    template.innerHTML = event.data;
    for (const element of [...template.content.children]) put(element);
  }

  function stop() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function start() {
    stop();
    const place = document.querySelector("[data-live]");
    if (!place || document.hidden) return;
    source = new EventSource(place.dataset.live);
    source.addEventListener("message", take);
    source.addEventListener("end", () => location.reload());
    source.addEventListener("error", () => { // browsers do not try again after an answer that is no stream
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(start, AGAIN_MS);
    });
  }

  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // Browsers open few connections to one server: a page that nobody sees needs none.
  document.addEventListener("visibilitychange", start);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", start);
  document.addEventListener("focusout", () => setTimeout(() => {
    for (const [id, element] of waiting) {
      waiting.delete(id);
      put(element);
    }
  }));
  // What an answer has put in may be older than what the stream has told, or about something else: all is told again.
  document.addEventListener("htmx:afterSettle", () => {
    clearTimeout(timer);
    timer = setTimeout(start);
  });

  // Who has pressed a button that is not there afterwards goes on where it was.
  let place = "";
  document.addEventListener("htmx:beforeRequest", () => {
    place = document.activeElement.closest(".actions")?.closest("[id]")?.id ?? "";
    document.getElementById("messages").replaceChildren();
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (place && document.activeElement === document.body) {
      const next = document.getElementById(place)?.querySelector("button, summary");
      (next ?? document.getElementById("main")).focus({ preventScroll: true });
    }
  });
})();
