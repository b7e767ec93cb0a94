// A session in a sandbox, followed over a WebSocket that may break: nothing of its output is lost or shown twice.
// The protocol is that of `oc.worker.attach` with `attach=1`.
"use strict";

const STDIN = 0, STDOUT = 1, STDERR = 2, EXITED = 3, REPLAYED = 4, PLACE = 5, GOT = 7;
const FIRST_PAUSE_MS = 500, LONGEST_PAUSE_MS = 15_000, LOOK_AGAIN_MS = 3000;
const GOT_EVERY = 64 << 10; // bytes; the worker sends no more than 512 KiB beyond what it was told has arrived
const MOST_UNSEEN = 1 << 20; // bytes that a page which nobody sees keeps
const MOST_INPUT = 32 << 10; // bytes of a message

// Looking at a sandbox does not wake it, but attaching does.
const lookAt = (sandbox) => callApi("GET", `/sandboxes/${sandbox}/state`);

class Attachment {
  #sandbox; #kind; #session; #watcher; #reader;
  #socket = null;
  #timer = 0;
  #pause = FIRST_PAUSE_MS;
  #received = 0; #shown = 0; #told = 0; // offsets in the session's output
  #turn = 0; // of the screen: what was to be shown on a former one counts no more
  #parked = false;
  #over = false;

  // `kind`: "pty" or "exec". The watcher has
  //   state(name, detail), prepare() before each attach, begin(lost bytes), replayed(), output(channel, bytes, shown), exit(code)
  constructor(sandbox, kind, session, watcher) {
    this.#sandbox = sandbox;
    this.#kind = kind;
    this.#session = session;
    this.#watcher = watcher;
    this.#reader = takeReader(session);
  }

  get session() { return this.#session; }

  async start() {
    clearTimeout(this.#timer);
    if (this.#over || this.#socket) return;
    const turn = this.#turn;
    try {
      const { status, settled, reason } = await lookAt(this.#sandbox);
      if (status === "hibernated") return this.#rest();
      if (status !== "running" && status !== "pending") return this.#watcher.state("ended", reason);
      if (status === "pending" || !settled) return this.#later("changing");
      await this.#watcher.prepare();
    } catch (error) {
      return this.#refused(error);
    }
    if (turn === this.#turn && !this.#socket && !this.#over) this.#open();
  }

  send(text) {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    for (let from = 0; from < bytes.length; from += MOST_INPUT) this.#say(STDIN, bytes.subarray(from, from + MOST_INPUT));
  }

  endInput() { this.#say(STDIN, new Uint8Array()); }

  // The session runs on; its output does not wait for this page any more.
  leave() {
    this.#close();
    this.#turn += 1;
  }

  end() {
    this.leave();
    this.#over = true;
  }

  // The page goes away, perhaps to be loaded again: then it takes the place of what it was.
  unload() {
    sessionStorage.setItem(`oc-reader:${this.#session}`, this.#reader);
    this.leave();
  }

  seen() {
    if (!this.#parked) return this.#tell();
    this.#parked = false;
    this.#received = this.#shown = this.#told = 0;
    this.start();
  }

  #open() {
    const place = new URLSearchParams({ attach: "1", acks: "1", reader: this.#reader, offset: this.#received });
    const socket = new WebSocket(`/app/api/sandboxes/${this.#sandbox}/${this.#kind}/${this.#session}?${place}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => { if (socket === this.#socket) this.#take(new Uint8Array(event.data)); };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (!this.#over) this.#later("lost");
    };
    this.#socket = socket;
  }

  #close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  // Somebody else may wake it.
  #rest() {
    this.#timer = setTimeout(() => this.start(), LOOK_AGAIN_MS);
    this.#watcher.state("asleep");
  }

  #later(why) {
    const pause = this.#pause;
    this.#pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    this.#timer = setTimeout(() => this.start(), pause * (0.75 + Math.random() / 2));
    this.#watcher.state(why, Math.ceil(pause / 1000));
  }

  #refused(error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 401) return this.#watcher.state("signed out");
    if (error.status === 404) return this.#watcher.state("gone");
    this.#later("lost");
  }

  #take(frame) {
    const body = frame.subarray(1), view = new DataView(body.buffer, body.byteOffset, body.length);
    switch (frame[0]) {
      case PLACE: return this.#begin(Number(view.getBigUint64(0)));
      case REPLAYED: return this.#watcher.replayed();
      case EXITED:
        this.#over = true;
        return this.#watcher.exit(view.getInt32(0));
      case STDOUT:
      case STDERR: return this.#output(frame[0], body);
    }
  }

  #begin(offset) {
    this.#pause = FIRST_PAUSE_MS;
    const skipped = offset - this.#received;
    this.#watcher.begin(this.#received ? skipped : 0, this.#received === 0);
    this.#received += skipped;
    this.#shown += skipped;
    this.#told = offset;
    this.#watcher.state("attached");
  }

  #output(channel, bytes) {
    const turn = this.#turn;
    this.#received += bytes.length;
    this.#watcher.output(channel, bytes, () => {
      if (turn !== this.#turn) return;
      this.#shown += bytes.length;
      this.#tell();
    });
    if (document.hidden) this.#outOfSight();
  }

  // Browsers hardly let a hidden page work, and what runs in the sandbox shall not wait for that.
  #outOfSight() {
    this.#tell();
    if (this.#received - this.#shown < MOST_UNSEEN) return;
    this.leave();
    this.#parked = true;
    this.#watcher.state("parked");
  }

  #tell() {
    const offset = document.hidden ? this.#received : this.#shown;
    if (offset - this.#told < GOT_EVERY && (offset !== this.#received || offset <= this.#told)) return;
    this.#told = offset;
    const count = new Uint8Array(8);
    new DataView(count.buffer).setBigUint64(0, BigInt(offset));
    this.#say(GOT, count);
  }

  #say(kind, bytes) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const frame = new Uint8Array(bytes.length + 1);
    frame[0] = kind;
    frame.set(bytes, 1);
    this.#socket.send(frame);
  }
}

// A name of its own for each page, also for a duplicate of this one.
function takeReader(session) {
  const key = `oc-reader:${session}`, kept = sessionStorage.getItem(key);
  sessionStorage.removeItem(key);
  if (kept) return kept;
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
