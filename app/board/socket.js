/** The live line to the server: one WebSocket, silent resync, back-off, and plain fetching where sockets are blocked. */

const BACK_OFF = [250, 500, 1000, 2000, 4000, 8000]; // ms
const GIVE_UP_AFTER = 3; // failures before the first message: then poll
const POLL = 400; // ms

/**
 * @typedef {Object} Listener
 * @property {(message: any) => void} message a JSON message of the server
 * @property {(buffer: ArrayBuffer) => void} frame
 * @property {(link: "connecting"|"live"|"polling"|"lost", seconds?: number) => void} link
 */
export class Stream {
  /** @param {string} base such as "/lab" @param {Listener} listener */
  constructor(base, listener) {
    this.base = base;
    this.listener = listener;
    this.run = null;
    this.sample = 0;
    this.after = -1;
    this.revision = -1;
    this.failures = 0;
    this.unread = 0; // messages of this run that could not be read
    this.everHeard = false;
    this.closed = false;
    this.onVisible = () => document.hidden || this.#hurry();
    this.onLeft = () => this.#rest();
    document.addEventListener("visibilitychange", this.onVisible);
    window.addEventListener("pagehide", this.onLeft);
    window.addEventListener("pageshow", this.onVisible);
    window.addEventListener("online", this.onVisible);
  }

  /** Follow a run from its beginning; null follows nothing. */
  watch(run, sample) {
    Object.assign(this, { run, sample, after: -1, revision: -1, unread: 0 });
    if (run === null) return this.#drop();
    if (this.#open()) this.#hello();
    else this.#connect();
  }

  choose(sample) {
    this.sample = sample;
    if (this.#open()) this.socket.send(JSON.stringify({ sample }));
  }

  /** Ask for everything again: a gap was seen. */
  resync() {
    Object.assign(this, { after: -1, revision: -1 });
    if (this.#open()) this.#hello();
  }

  /** Remember how far the page is, so that a reconnect goes on from there. */
  reached(seq, revision) {
    if (seq != null && seq > this.after) this.after = seq;
    if (revision != null) this.revision = revision;
  }

  close() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.onVisible);
    window.removeEventListener("pagehide", this.onLeft);
    window.removeEventListener("pageshow", this.onVisible);
    window.removeEventListener("online", this.onVisible);
    this.#drop();
  }

  #open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  #hello() {
    const { run, sample, after, revision } = this;
    this.socket.send(JSON.stringify({ watch: run, sample, after, revision }));
  }

  #drop() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  /** The page is left. Browsers keep some such pages, with their sockets open, for those who go back to them. */
  #rest() {
    if (!this.socket) return;
    this.#drop();
    this.waiting = true;
  }

  #hurry() {
    if (!this.closed && this.run !== null && this.waiting) this.#connect();
  }

  #connect() {
    if (this.closed || this.run === null) return;
    this.#drop();
    this.waiting = false;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.base}/stream`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#hello();
    socket.onmessage = ({ data }) => {
      if (!this.everHeard || this.failures) this.listener.link("live");
      this.everHeard = true;
      try {
        if (typeof data === "string") this.listener.message(JSON.parse(data));
        else this.listener.frame(data);
        this.failures = 0;
      } catch (error) {
        this.#unreadable(error);
      }
    };
    socket.onclose = () => this.#again();
  }

  /** What came could not be read or drawn: begin again from the run's beginning, ever more slowly. */
  #unreadable(error) {
    console.warn("A message of the live stream could not be read.", error);
    this.#drop();
    Object.assign(this, { after: -1, revision: -1, failures: this.unread++ });
    this.#again();
  }

  #again() {
    this.socket = null;
    if (this.closed || this.run === null) return;
    this.failures += 1;
    if (!this.everHeard && this.failures >= GIVE_UP_AFTER) return this.#poll();
    const delay = BACK_OFF[Math.min(this.failures - 1, BACK_OFF.length - 1)] * (0.8 + 0.4 * Math.random());
    this.listener.link("lost", delay / 1000);
    this.waiting = true;
    this.timer = setTimeout(() => this.#connect(), delay);
  }

  async #poll() {
    const { run, sample, after, revision } = this;
    if (this.closed || run === null) return;
    try {
      const query = new URLSearchParams({ after, revision, sample });
      const answer = await fetch(`${this.base}/runs/${encodeURIComponent(run)}/poll?${query}`);
      if (answer.status === 404) this.listener.message(await answer.json());
      if (!answer.ok) throw new Error(answer.statusText);
      const buffer = await answer.arrayBuffer();
      if (this.closed || run !== this.run) return;
      this.listener.link("polling");
      this.polled = 0;
      for (const part of parts(buffer)) {
        if (part instanceof ArrayBuffer) this.listener.frame(part);
        else for (const message of [part, part.reset]) if (message) this.listener.message(message);
      }
    } catch {
      if (this.closed) return;
      this.polled = (this.polled ?? 0) + 1;
      this.listener.link("lost", 2);
    }
    const delay = document.hidden ? 4000 : this.polled ? 2000 : POLL;
    this.timer = setTimeout(() => this.#poll(), delay);
  }
}

/** The parts of a polled answer: each 4 bytes of length (big endian), then its bytes; the first is JSON. */
function* parts(buffer) {
  const view = new DataView(buffer);
  for (let place = 0, first = true; place + 4 <= buffer.byteLength; first = false) {
    const length = view.getUint32(place);
    const part = buffer.slice(place + 4, place + 4 + length);
    yield first ? JSON.parse(new TextDecoder().decode(part)) : part;
    place += 4 + length;
  }
}
