// Exec sessions: their list, which is kept fresh, and the output of one.
"use strict";

(() => {
  const AGAIN_MS = 3000;
  const list = () => document.getElementById("sessions");
  const root = document.getElementById("session");

  setInterval(() => { // who is choosing something in the list is not disturbed
    if (list() && !document.hidden && !list().contains(document.activeElement)) htmx.trigger(list(), "again");
  }, AGAIN_MS);

  async function run(form) {
    const { cmd, cwd, timeout } = form.elements;
    const body = { cmd: cmd.value, cwd: cwd.value || null, timeout: timeout.value ? Number(timeout.value) : null };
    const sandbox = form.dataset.run;
    try {
      const { sessionID } = await callApi("POST", `/sandboxes/${sandbox}/exec`, body);
      location.assign(`/sandboxes/${sandbox}/sessions/${sessionID}`);
    } catch (error) {
      sayRefused(error);
    }
  }

  async function kill(form) {
    const signal = form.elements.signal;
    try {
      await callApi("POST", `/sandboxes/${form.dataset.kill}/kill`, { signal: Number(signal.value) });
      if (!list()) return;
      document.activeElement.blur();
      htmx.trigger(list(), "again");
    } catch (error) {
      sayRefused(error);
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const deed = form.dataset.run ? run : form.dataset.kill ? kill : "input" in form.dataset ? input : null;
    if (!deed) return;
    event.preventDefault();
    deed(form);
  });

  // --- one session ---

  let session = null;

  function input(form) {
    session.send(`${form.elements.line.value}\n`);
    form.reset();
  }

  function follow() {
    const bar = root.querySelector("[data-bar]"), words = root.querySelector("[data-words]"), act = root.querySelector("[data-act]");
    const STATES = {
      connecting: () => ["Connecting…", ""],
      attached: () => ["Running", ""],
      parked: () => ["Detached while nobody looked", ""],
      lost: (seconds) => [`The connection was lost. It is tried again in ${seconds} s.`, "warn", "Try now"],
      changing: () => ["The sandbox is being changed. The output comes back by itself.", "warn", "Try now"],
      asleep: () => ["The sandbox is asleep. The command goes on when it is woken.", "warn", "Look again"],
      gone: () => ["The session is forgotten: it ended more than five minutes ago.", "warn"],
      ended: (reason) => [`The sandbox has ended${reason ? `: ${reason}` : ""}.`, "bad"],
      exited: (code) => [code === -1 ? "Ended by a signal or its time limit" : `Exited with ${code}`, code ? "bad" : "good"],
      "signed out": () => ["You are signed out.", "bad"],
    };

    function state(name, detail) {
      const [text, kind, label] = STATES[name](detail);
      if (words.textContent !== text) words.textContent = text; // is read out each time it is set
      bar.className = `strip ${kind}`;
      root.dataset.state = name;
      act.hidden = !label;
      act.textContent = label ?? "";
      for (const part of root.querySelectorAll("[data-running]")) part.hidden = name === "exited" || name === "gone" || name === "ended";
    }

    const reading = localStorage.getItem("oc-reading") === "1";
    const screen = newScreen(root.querySelector("[data-screen]"), {
      disableStdin: true, convertEol: true, cursorInactiveStyle: "none", scrollback: 20_000, screenReaderMode: reading,
    });
    session = new Attachment(root.dataset.sandbox, "exec", root.dataset.session, {
      state,
      prepare: async () => {
        const sessions = await callApi("GET", `/sandboxes/${root.dataset.sandbox}/exec`);
        if (!sessions.some((one) => one.sessionID === root.dataset.session)) throw new Refused(404, {});
      },
      begin(lost, fresh) {
        if (fresh) screen.write("\x1bc\x1b[?25l");
        if (lost > 0) screen.write(`\r\n\x1b[7m ${lost} bytes of output were lost \x1b[0m\r\n`);
      },
      replayed() {},
      output(channel, bytes, shown) {
        if (channel === STDERR) screen.write("\x1b[31m");
        screen.write(bytes, shown);
        if (channel === STDERR) screen.write("\x1b[39m");
      },
      exit: (code) => state("exited", code),
    });
    act.addEventListener("click", () => session.start());
    root.querySelector("[data-end]").addEventListener("click", () => session.endInput());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) session.seen(); });
    addEventListener("online", () => { if (root.dataset.state === "lost") session.start(); });
    addEventListener("pagehide", () => session.unload());
    addEventListener("pageshow", (event) => { if (event.persisted) session.start(); });
    state("connecting");
    session.start();
  }

  if (root) follow();
})();
