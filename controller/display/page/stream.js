// The way in: one stream of server-sent events, kept alive, and how long ago we last heard of the controller.

const SILENCE = 2000; // ms without a message, after which nothing on the page is called live
const GIVE_UP = 6000; // ms after which the stream is opened anew: a half-open one never ends by itself

export class Stream {
  #url;
  #receive;
  #source = null;
  #opened = 0;
  #page = null;
  heardAt = null; // performance.now() of the last message, null before the first
  heardWall = null; // the same moment for people, Unix ms

  constructor(url, receive) {
    this.#url = url;
    this.#receive = receive;
    this.#opened = performance.now();
    this.#open();
    setInterval(() => this.#watch(), 500);
  }

  // Since when the controller is silent, as Unix ms; null while it talks.
  silentSince(now) {
    if (this.heardAt === null) return now - this.#opened > SILENCE ? Date.now() - now + this.#opened : null;
    return now - this.heardAt > SILENCE ? this.heardWall : null;
  }

  #open() {
    this.#source?.close();
    this.#opened = performance.now();
    this.#source = new EventSource(this.#url);
    this.#source.onmessage = (event) => this.#message(JSON.parse(event.data));
  }

  #message(message) {
    this.heardAt = performance.now();
    this.heardWall = Date.now();
    if (message.kind === "hello") {
      if (this.#page !== null && this.#page !== message.page) location.reload(); // the controller was updated
      this.#page = message.page;
    }
    if (message.kind !== "heartbeat") this.#receive(message, this.heardAt);
  }

  #watch() {
    const now = performance.now();
    const quiet = now - Math.max(this.heardAt ?? 0, this.#opened);
    const closed = this.#source.readyState === EventSource.CLOSED; // a refusal ends an EventSource for good
    if (quiet > (closed ? SILENCE : GIVE_UP)) this.#open();
  }
}
