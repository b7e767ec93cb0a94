// The terminal page: a shell in the sandbox that outlives the page, and comes back with it.
"use strict";

(() => {
  const SIZE_AFTER_MS = 150;
  const root = document.getElementById("terminal");
  if (!root) return; // the sandbox has ended
  const sandbox = root.dataset.sandbox;
  const bar = root.querySelector("[data-bar]"), words = root.querySelector("[data-words]"), act = root.querySelector("[data-act]");
  const fresh = root.querySelector("[data-new]"), ending = root.querySelector("[data-end]");
  const others = root.querySelector("[data-shells]"), reading = root.querySelector("[data-reading]");
  const remembered = `oc-terminal:${sandbox}`;
  const TYPED = { escape: "\x1b", tab: "\t", interrupt: "\x03", end: "\x04", up: "\x1b[A", down: "\x1b[B", left: "\x1b[D", right: "\x1b[C" };
  // State: words, kind of message, and what the button offers.
  const STATES = {
    connecting: () => ["Connecting…", ""],
    attached: () => ["Connected", ""],
    parked: () => ["Detached while nobody looked", ""],
    lost: (seconds) => [`The connection was lost. It is tried again in ${seconds} s.`, "warn", "Try now", () => shell.start()],
    changing: () => ["The sandbox is being changed. The terminal comes back by itself.", "warn", "Try now", () => shell ? shell.start() : begin()],
    asleep: () => ["The sandbox is asleep. Opening a terminal wakes it.", "warn", "Wake it", wake],
    gone: () => ["The shell has ended.", "warn", "New shell", newShell],
    exited: (code) => [code ? `The shell has ended with code ${code}.` : "The shell has ended.", "warn", "New shell", newShell],
    ended: (reason) => [`The sandbox has ended${reason ? `: ${reason}` : ""}.`, "bad"],
    "signed out": () => ["You are signed out.", "bad", "Sign in", () => location.reload()],
    refused: (text) => [text, "bad", "Try again", () => begin()],
  };
  let shell = null, replaying = false, offered = null, looking = 0;

  function state(name, detail) {
    const [text, kind, label, deed] = STATES[name](detail);
    if (name === "gone" || name === "exited") forget();
    if (words.textContent !== text) words.textContent = text; // is read out each time it is set
    bar.className = `strip ${kind}`;
    root.dataset.state = name;
    offered = deed;
    act.hidden = !label;
    act.textContent = label ?? "";
    fresh.hidden = label === fresh.textContent;
    ending.hidden = name !== "attached";
    if (name === "attached" || name === "exited" || name === "gone") listShells();
  }

  const screen = newScreen(root.querySelector("[data-screen]"), { screenReaderMode: localStorage.getItem("oc-reading") === "1" });
  const size = () => ({ cols: Math.min(Math.max(screen.cols, 1), 1000), rows: Math.min(Math.max(screen.rows, 1), 1000) });
  const resize = () => callApi("POST", `/sandboxes/${sandbox}/pty/${shell.session}/resize`, size());

  // What a program asks of the terminal is answered when it asks, not again when it is shown again.
  const typed = (data) => { if (shell && !replaying) shell.send(data); };
  screen.onData(typed);
  screen.onBinary((data) => typed(Uint8Array.from(data, (mark) => mark.charCodeAt(0))));

  let sizing = 0;
  screen.onResize(() => {
    clearTimeout(sizing);
    sizing = setTimeout(() => { if (root.dataset.state === "attached") resize().catch(quietly); }, SIZE_AFTER_MS);
  });

  function quietly(error) { // the next attach sets the size again
    if (!(error instanceof Refused)) throw error;
  }

  const watcher = {
    state,
    prepare: async () => { await resize(); },
    begin(lost, fresh) {
      replaying = true;
      if (fresh) screen.write("\x1bc");
      if (lost > 0) screen.write(`\r\n\x1b[7m ${lost} bytes of output were lost \x1b[0m\r\n`);
    },
    replayed: () => screen.write("", () => { replaying = false; }),
    output: (_, bytes, shown) => screen.write(bytes, shown),
    exit: (code) => state("exited", code),
  };

  function attach(session) {
    shell?.leave();
    remember(session);
    shell = new Attachment(sandbox, "pty", session, watcher);
    state("connecting");
    shell.start();
  }

  const remember = (session) => sessionStorage.setItem(remembered, session);
  const forget = () => sessionStorage.removeItem(remembered);

  async function newShell() {
    clearTimeout(looking);
    shell?.leave();
    try {
      state("connecting");
      attach((await callApi("POST", `/sandboxes/${sandbox}/pty`, size())).sessionID);
      screen.focus();
    } catch (error) {
      trouble(error);
    }
  }

  // To ask for a shell wakes a sandbox that sleeps; so does looking for the one that was there.
  async function wake() {
    clearTimeout(looking);
    state("connecting");
    try {
      const running = (await callApi("GET", `/sandboxes/${sandbox}/pty`)).map((one) => one.sessionID);
      const former = sessionStorage.getItem(remembered);
      if (running.includes(former)) attach(former);
      else await newShell();
      screen.focus();
    } catch (error) {
      trouble(error);
    }
  }

  function trouble(error) {
    if (!(error instanceof Refused)) throw error;
    state(error.status === 401 ? "signed out" : "refused", error.hint ? `${error.message}: ${error.hint}` : error.message);
  }

  function lookLater(why) {
    looking = setTimeout(begin, LOOK_AGAIN_MS);
    state(why);
  }

  async function begin() {
    clearTimeout(looking);
    try {
      const { status, settled, reason } = await lookAt(sandbox);
      if (status === "hibernated") return lookLater("asleep");
      if (status === "pending" || !settled) return lookLater("changing");
      if (status !== "running") return state("ended", reason);
      const former = sessionStorage.getItem(remembered);
      return former ? attach(former) : await newShell();
    } catch (error) {
      return trouble(error);
    }
  }

  function nameOf(one) {
    const time = new Date(one.startedAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return `${one.shell.slice(one.shell.lastIndexOf("/") + 1)} since ${time}`;
  }

  async function listShells() {
    try {
      if ((await lookAt(sandbox)).status !== "running") return;
      const shells = await callApi("GET", `/sandboxes/${sandbox}/pty`);
      const here = root.dataset.state === "attached" ? shell.session : "";
      others.replaceChildren(...shells.map((one) => new Option(nameOf(one), one.sessionID, false, one.sessionID === here)));
      if (!here) others.prepend(new Option("Other shells", "", true, true));
      others.hidden = shells.every((one) => one.sessionID === here);
    } catch (error) {
      quietly(error); // the list is a convenience
    }
  }

  async function endShell() {
    if (!confirm("End this shell and what runs in it?")) return;
    const ended = shell;
    ended.end();
    try {
      await callApi("DELETE", `/sandboxes/${sandbox}/pty/${ended.session}`);
      state("gone");
    } catch (error) {
      trouble(error);
    }
  }

  act.addEventListener("click", () => offered?.());
  others.addEventListener("change", () => { attach(others.value); screen.focus(); });
  fresh.addEventListener("click", newShell);
  ending.addEventListener("click", endShell);
  reading.checked = screen.options.screenReaderMode;
  reading.addEventListener("change", () => {
    screen.options.screenReaderMode = reading.checked;
    localStorage.setItem("oc-reading", reading.checked ? "1" : "0");
  });

  // Every key is the terminal's, so there is one that leads out of it.
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey || !event.shiftKey || event.code !== "KeyL") return;
    event.preventDefault();
    event.stopPropagation();
    root.querySelector(".strip button:not([hidden])").focus();
  }, true);
  for (const key of root.querySelectorAll("[data-key]")) {
    key.addEventListener("click", () => { typed(TYPED[key.dataset.key]); screen.focus(); });
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) shell?.seen(); });
  addEventListener("online", () => { if (root.dataset.state === "lost") shell.start(); });
  addEventListener("pagehide", () => shell?.unload());
  addEventListener("pageshow", (event) => { if (event.persisted) shell?.start(); });
  begin();
  screen.focus();
})();
