/**
 * Shopbell in the browser: a client of the chat socket (docs/protocol.md, sections 1 to 3), one
 * module without dependencies.
 *
 * It takes care of what every page would otherwise get wrong:
 * - the connection: login first, heartbeat, reconnecting with backoff and at once when the network
 *   or the page comes back, a fresh token when the old one is refused;
 * - what goes out: messages wait while offline, leave in order, and are repeated under the same `id`
 *   until the server has answered, so that none is lost and none is stored twice; with `keep` they
 *   outlive the page;
 * - what comes in: every message is given out once, in `seq` order; gaps are filled from the
 *   history; what has arrived is acked.
 *
 * Every event of the server is dispatched under its own `type` (`message`, `conversation`, `typing`,
 * `delivered`, `read`, `notice`, …) with the frame as `detail`; `state` tells of the connection.
 *
 *     const client = new Shopbell({ token: () => fetchToken() });
 *     client.addEventListener('message', ({ detail }) => show(detail));
 *     client.connect();
 *     await client.send({ shop: 'acme' }, { kind: 'text', text: 'Hello' });
 */

/** @typedef {{uid: string, name?: string, avatar?: string, role?: 'buyer'|'agent'|'bot'|'user'}} User */
/** @typedef {{kind: string, [field: string]: any}} Content text, image, file, product, order, recalled or deleted */
/** @typedef {{shop: string}|{user: string}|{conversation: number}} Address */
/**
 * @typedef {object} Message
 * @property {number} conversation
 * @property {number} seq           1, 2, 3 … without gaps in each conversation
 * @property {string|null} shop
 * @property {User} from
 * @property {Content} content
 * @property {string} client_id     the `id` its sender gave it
 * @property {string} at            RFC 3339
 * @property {boolean} [redelivered]
 * @property {string|null} [delivered_at]  in history only, as is `read_at`
 * @property {string|null} [read_at]
 */
/**
 * @typedef {object} Summary a conversation, as lists show it
 * @property {number} id
 * @property {'support'|'direct'} kind
 * @property {string|null} shop
 * @property {User} buyer
 * @property {'waiting'|'claimed'|'resolved'} state
 * @property {User|null} claimed_by
 * @property {boolean} [with_bot] only a bot of the shop has had it so far
 * @property {number} claim_version
 * @property {number} last_seq
 * @property {{seq: number, from: User, content: Content, at: string}|null} last_message
 * @property {number} unread
 * @property {string|null} waiting_since
 * @property {string} created_at
 * @property {string} updated_at
 */
/** @typedef {'idle'|'connecting'|'online'|'waiting'|'refused'|'closed'} State */
/** @typedef {(why: {rejected: boolean}) => string|Promise<string>} TokenSource */
/** @typedef {{type: string, id?: string, [field: string]: any}} Frame as docs/protocol.md has it */
/** @typedef {{frame: Frame, written: boolean, timer: any, resolve: (ok: any) => void, reject: (error: Error) => void}} Request a frame that waits for its answer */
/** @typedef {Request & {at: string, answer: Promise<Sent>}} Outgoing a message that does */
/** @typedef {{conversation: number, seq: number, at: string, duplicate: boolean}} Sent where a message was stored */
/** @typedef {{id: string, to: Address, content: Content, at: string}} Waiting a message that the server has not answered; `at` is when it was written */

const GAP_PATIENCE_MS = 1_000;
const ACK_DELAY_MS = 25;
/** So many messages are acked at once: the server sends 256 ahead, and many that were missed come as fast as they are taken. */
const ACK_AT_ONCE = 64;
const ANSWER_MS = 15_000;
const WAKE_CHECK_MS = 3_000;
const BACKOFF_MS = { first: 500, most: 30_000 };
const UNAUTHENTICATED = 4401;
const PASSING = new Set(['unavailable', 'rate_limited']);
/** Repeating these after a lost connection could undo what happened in between. */
const ONLY_ONCE = new Set(['release', 'resolve', 'transfer', 'recall']);

/** What the server refused, by its code (docs/protocol.md, 2.2); also `disconnected`, `timeout`, `closed`. */
export class ShopbellError extends Error {
  /** @param {string} code @param {string} [message] @param {object} [detail] the whole error frame */
  constructor(code, message, detail = {}) {
    super(message || code);
    this.name = 'ShopbellError';
    this.code = code;
    this.detail = detail;
  }
}

/** @returns {string} 128 random bits in hex: the idempotency key of one message */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A promise with what settles it. */
function pending() {
  /** @type {(ok: any) => void} */ let resolve = () => {};
  /** @type {(error: Error) => void} */ let reject = () => {};
  const promise = new Promise((...settle) => { [resolve, reject] = settle; });
  return { promise, resolve, reject };
}

/** What has arrived of one conversation: gives each message out once, in `seq` order. */
class Stream {
  /** All of `floor`..`last` has been given out; `held` is known beyond that (null: nothing to give). */
  floor = 0;
  last = -1;
  /** @type {Map<number, Message|null>} */
  held = new Map();

  /**
   * @param {number} seq
   * @param {Message|null} message null where the page knows it already, such as its own
   * @returns {Message[]} what is due now
   */
  take(seq, message) {
    if (this.last < 0) [this.floor, this.last] = [seq, seq - 1];
    if (seq < this.floor) {
      // Older than what began this stream, and never seen: begin again from there.
      for (let known = this.floor; known <= this.last; known++) this.held.set(known, null);
      [this.floor, this.last] = [seq, seq - 1];
    }
    if (seq > this.last && !this.held.has(seq)) this.held.set(seq, message);
    return this.#due();
  }

  /** @returns {Message[]} what is due when the gap before it is given up */
  skipGap() {
    if (this.held.size) this.last = Math.min(...this.held.keys()) - 1;
    return this.#due();
  }

  #due() {
    const due = [];
    while (this.held.has(this.last + 1)) {
      const message = this.held.get(++this.last);
      this.held.delete(this.last);
      if (message) due.push(message);
    }
    return due;
  }
}

/** What waits to be stored, in the browser's storage, under the name of who wrote it: nobody else may send it. */
class Shelf {
  /** @param {string|undefined} key in localStorage; without one nothing is kept */
  constructor(key) { this.key = key; }

  /** @returns {{uid: string|null, waiting: Waiting[]}} */
  read() {
    try {
      const { uid, waiting } = JSON.parse((this.key && localStorage.getItem(this.key)) || '{}');
      if (Array.isArray(waiting)) return { uid: uid ?? null, waiting };
    } catch { /* nothing there, or nothing may be kept */ }
    return { uid: null, waiting: [] };
  }

  /**
   * @param {string|null} uid who writes, where it is known
   * @param {(waiting: Waiting[]) => Waiting[]} change of what every page of this browser has left there
   */
  write(uid, change) {
    if (!this.key) return;
    const kept = this.read();
    const waiting = change(kept.uid === null || uid === null || kept.uid === uid ? kept.waiting : []);
    try {
      if (waiting.length) localStorage.setItem(this.key, JSON.stringify({ uid: uid ?? kept.uid, waiting }));
      else localStorage.removeItem(this.key);
    } catch { /* full, or private browsing: it waits in this page alone */ }
  }
}

export class Shopbell extends EventTarget {
  /** @type {State} */ #state = 'idle';
  /** @type {WebSocket|null} */ #socket = null;
  #url;
  #token;
  /** Counts attempts to open, so that one overtaken by the next is dropped. */ #turn = 0;
  #failures = 0;
  #rejections = 0;
  #pauseMs = 0;
  /** @type {any} */ #retryTimer = 0;
  /** @type {any} */ #beatTimer = 0;
  /** @type {any} */ #loginTimer = 0;
  #heardAt = 0;
  #pingedAt = 0;
  #nextRequest = 0;
  /** Sent frames wait here for their answer. @type {Map<string, Request>} */ #requests = new Map();
  /** Messages, the first of them on its way: the next leaves when it is answered. @type {Outgoing[]} */ #outbox = [];
  /** Who wrote what is in the outbox; unknown before the first login. @type {string|null} */ #writer = null;
  #shelf;
  /** @type {Map<number, Stream>} */ #streams = new Map();
  /** @type {Map<number, any>} */ #gapTimers = new Map();
  /** @type {Set<number>} */ #unacked = new Set();
  #toAck = 0;
  /** @type {any} */ #ackTimer = 0;
  /** @type {Set<number>} */ #viewed = new Set();
  /** By how much the server's clock is ahead of this one. */ #aheadMs = 0;

  /** The answer to the last login: user, shops, limits. @type {Frame|null} */
  welcome = null;

  /**
   * @param {object} options
   * @param {string|TokenSource} options.token a token, or what gives one at every login; it is asked
   *   with `rejected: true` when the last one was refused
   * @param {string} [options.url] of the socket; the page's own server without it
   * @param {string} [options.keep] a key of localStorage: messages that wait there outlive the page
   */
  constructor({ token, url, keep }) {
    super();
    this.#token = token;
    this.#shelf = new Shelf(keep);
    const { uid, waiting } = this.#shelf.read();
    this.#writer = uid;
    for (const { id, to, content, at } of waiting) this.#queue(id, to, content, at).catch(() => {});
    this.#url = url ?? location.origin.replace(/^http/, 'ws') + '/ws';
  }

  /** @returns {State} */
  get state() { return this.#state; }
  get online() { return this.#state === 'online'; }
  /** The server's time, in ms since 1970: clocks on desks are often wrong. */
  get now() { return Date.now() + this.#aheadMs; }

  connect() {
    if (!['idle', 'closed', 'refused'].includes(this.#state)) return;
    addEventListener('online', this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
    this.#rejections = 0;
    this.#open();
  }

  /** Ends the session; what was not answered fails with `closed`, and waits for the next page where it is kept. */
  close() {
    this.#stop('closed');
  }

  /** What the server has not answered yet, in the order it was written. @returns {Waiting[]} */
  get waiting() {
    return this.#outbox.map(({ frame: { id = '', to, content }, at }) => ({ id, to, content, at }));
  }

  /** Forgets what waits, here and where it is kept, as when somebody signs out. */
  forget() {
    const left = this.#outbox;
    this.#outbox = [];
    this.#shelf.write(null, () => []);
    for (const entry of left) {
      clearTimeout(entry.timer);
      entry.reject(new ShopbellError('closed'));
    }
  }

  /**
   * Sends a message. It waits while offline; the promise settles once the server has stored or refused it.
   * @param {Address} to @param {Content} content
   * @param {string} [id] the message's own; the same one again is the same message
   * @returns {Promise<Sent>}
   */
  send(to, content, id = newId()) {
    const known = this.#outbox.find((entry) => entry.frame.id === id);
    if (known) return known.answer;
    const at = new Date().toISOString();
    this.#shelf.write(this.#writer, (waiting) => [...waiting, { id, to, content, at }]);
    return this.#queue(id, to, content, at);
  }

  /** @param {string} id @param {Address} to @param {Content} content @param {string} at @returns {Promise<Sent>} */
  #queue(id, to, content, at) {
    const { promise: answer, resolve, reject } = pending();
    this.#outbox.push({ frame: { type: 'send', id, to, content }, at, written: false, timer: 0, answer, resolve, reject });
    this.#pump();
    return answer;
  }

  /**
   * Any other frame that has an answer.
   * @param {string} type @param {object} [fields]
   * @returns {Promise<any>} the `ok` frame
   */
  request(type, fields = {}) {
    const id = `r${++this.#nextRequest}`;
    const { promise, resolve, reject } = pending();
    const entry = { frame: { type, id, ...fields }, resolve, reject, written: false, timer: 0 };
    this.#requests.set(id, entry);
    this.#write(entry);
    return promise;
  }

  /**
   * @param {number} conversation
   * @param {{before?: number, after?: number, limit?: number}} [bounds] exclusive; the newest page without any
   * @returns {Promise<{messages: Message[], more: boolean}>}
   */
  async history(conversation, { before, after, limit } = {}) {
    const page = await this.request('history', { conversation, before, after, limit });
    for (const { seq } of page.messages) this.#take(conversation, seq, null);
    return page;
  }

  /**
   * @param {{shop?: string, state?: string, cursor?: string, limit?: number}} [filter]
   * @returns {Promise<{conversations: Summary[], next: string|null}>}
   */
  inbox(filter = {}) { return this.request('inbox', filter); }
  /** @param {number} conversation @returns {Promise<{conversation: Summary}>} */
  claim(conversation) { return this.request('claim', { conversation }); }
  /** @param {number} conversation @returns {Promise<{conversation: Summary}>} */
  release(conversation) { return this.request('release', { conversation }); }
  /** @param {number} conversation @returns {Promise<{conversation: Summary}>} */
  resolve(conversation) { return this.request('resolve', { conversation }); }
  /** @param {number} conversation @param {string} to a uid @returns {Promise<{conversation: Summary}>} */
  transfer(conversation, to) { return this.request('transfer', { conversation, to }); }
  /** @param {number} conversation @param {number} seq */
  recall(conversation, seq) { return this.request('recall', { conversation, seq }); }
  /** @param {string} shop @param {'online'|'away'} status */
  status(shop, status) { return this.request('status', { shop, status }); }
  /** @param {number} conversation @param {number} seq all up to it was seen @returns {Promise<{unread: number}>} */
  read(conversation, seq) { return this.request('read', { conversation, seq }); }

  /** Says that the conversation is (not) on screen; said again after every reconnection. @param {number} conversation @param {boolean} on */
  view(conversation, on) {
    if (on === this.#viewed.has(conversation)) return;
    if (on) this.#viewed.add(conversation); else this.#viewed.delete(conversation);
    this.#tell({ type: 'view', conversation, on });
  }

  /** @param {number} conversation @param {boolean} on */
  typing(conversation, on) { this.#tell({ type: 'typing', conversation, on }); }

  /** Says which page the buyer looks at, to who answers. @param {number} conversation @param {{url: string, title?: string}} page */
  page(conversation, { url, title }) { this.#tell({ type: 'page', conversation, url, title }); }

  // The connection ---------------------------------------------------------------------------

  async #open(rejected = false) {
    clearTimeout(this.#retryTimer);
    const turn = ++this.#turn;
    this.#become('connecting');
    let token;
    try {
      token = typeof this.#token === 'function' ? await this.#token({ rejected }) : this.#token;
    } catch {
      if (turn === this.#turn) this.#retryLater();
      return;
    }
    if (turn !== this.#turn) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#loginTimer = setTimeout(() => this.#drop(), ANSWER_MS);
    socket.onopen = () => socket.send(JSON.stringify({ type: 'login', id: 'login', token }));
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#receive(JSON.parse(data)); };
    socket.onclose = ({ code }) => { if (socket === this.#socket) this.#lost(code); };
  }

  /** Leaves a connection without waiting for its closing handshake, which a dead network never ends. */
  #drop() {
    this.#socket?.close();
    this.#lost(0);
  }

  /** @param {number} code why it was closed (docs/protocol.md, 2.2) */
  #lost(code) {
    this.#detach();
    for (const [id, entry] of this.#requests) {
      clearTimeout(entry.timer);
      if (entry.written && ONLY_ONCE.has(entry.frame.type)) {
        this.#requests.delete(id);
        entry.reject(new ShopbellError('disconnected'));
      }
      entry.written = false;
    }
    for (const entry of this.#outbox) {
      clearTimeout(entry.timer);
      entry.written = false;
    }
    if (code === UNAUTHENTICATED) this.#rejected(); else this.#retryLater();
  }

  #detach() {
    clearInterval(this.#beatTimer);
    clearTimeout(this.#loginTimer);
    clearTimeout(this.#ackTimer);
    this.#ackTimer = this.#toAck = 0;
    this.#unacked.clear();
    this.#socket = null;
  }

  #rejected() {
    if (this.#rejections++ === 0 && typeof this.#token === 'function') this.#open(true);
    else this.#stop('refused');
  }

  /** @param {State} state */
  #stop(state) {
    this.#turn++;
    clearTimeout(this.#retryTimer);
    removeEventListener('online', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
    const socket = this.#socket;
    this.#detach();
    socket?.close();
    for (const timer of this.#gapTimers.values()) clearTimeout(timer);
    this.#gapTimers.clear();
    const left = [...this.#requests.values(), ...this.#outbox];
    this.#requests.clear();
    this.#outbox = [];
    this.#become(state);
    for (const entry of left) {
      clearTimeout(entry.timer);
      entry.reject(new ShopbellError('closed'));
    }
  }

  #retryLater() {
    const backoff = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.#failures++);
    const delay = (this.#pauseMs || backoff) * (0.5 + Math.random() / 2);
    this.#pauseMs = 0;
    this.#become('waiting');
    this.#retryTimer = setTimeout(() => this.#open(), delay);
  }

  #wake = () => {
    if (document.visibilityState === 'hidden') return;
    if (this.#state === 'waiting') {
      this.#failures = 0;
      this.#open();
    } else if (this.online) {
      // A connection that slept with the machine looks alive until it is asked.
      this.#beat();
      setTimeout(() => { if (this.online && this.#heardAt < this.#pingedAt) this.#drop(); }, WAKE_CHECK_MS);
    }
  };

  #beat() {
    if (this.#heardAt < this.#pingedAt) return this.#drop();
    this.#pingedAt = performance.now();
    this.#tell({ type: 'ping', id: 'ping' });
  }

  /** @param {State} state */
  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit('state', { state });
  }

  /** @param {string} type @param {object} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // What goes out ----------------------------------------------------------------------------

  /** Writes a frame that is worth nothing later; lost while offline. @param {Frame} frame */
  #tell(frame) {
    if (this.online && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** @param {Request} entry */
  #write(entry) {
    if (!this.online || entry.written || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(entry.frame));
    entry.written = true;
    entry.timer = setTimeout(() => this.#unanswered(entry), ANSWER_MS);
  }

  /** @param {Request} entry */
  #unanswered(entry) {
    // Whether a message was stored is unknown: only the same frame on a new connection can tell.
    if (entry.frame.type === 'send') return this.#drop();
    this.#requests.delete(entry.frame.id ?? '');
    entry.reject(new ShopbellError('timeout'));
  }

  #pump() {
    if (this.#outbox.length) this.#write(this.#outbox[0]);
  }

  /** @param {any} frame */
  #answered(frame) {
    const first = this.#outbox[0];
    const entry = first?.frame.id === frame.id ? first : this.#requests.get(frame.id);
    if (!entry) {
      if (frame.type === 'error') this.#emit('error', frame);
      return;
    }
    clearTimeout(entry.timer);
    if (frame.type === 'error' && PASSING.has(frame.code)) {
      entry.timer = setTimeout(() => { entry.written = false; this.#write(entry); }, frame.retry_after_ms ?? BACKOFF_MS.first);
      return;
    }
    if (entry === first) {
      this.#outbox.shift();
      this.#shelf.write(this.#writer, (waiting) => waiting.filter(({ id }) => id !== frame.id));
    } else {
      this.#requests.delete(frame.id);
    }
    if (frame.type === 'error') {
      entry.reject(new ShopbellError(frame.code, frame.message, frame));
    } else {
      entry.resolve(frame);
      if (entry === first) this.#take(frame.conversation, frame.seq, null);
    }
    this.#pump();
  }

  // What comes in ----------------------------------------------------------------------------

  /** @param {any} frame */
  #receive(frame) {
    this.#heardAt = performance.now();
    switch (frame.type) {
      case 'welcome': return this.#welcomed(frame);
      case 'error': return frame.id === 'login' ? this.#loginFailed(frame) : this.#answered(frame);
      case 'ok':
      case 'pong': return this.#answered(frame);
      case 'message': return this.#arrived(frame);
      case 'notice': this.#noticed(frame);
    }
    this.#emit(frame.type, frame);
  }

  /** @param {any} frame */
  #welcomed(frame) {
    this.welcome = frame;
    this.#aheadMs = Date.parse(frame.at) - Date.now() || 0;
    if (this.online) return;
    clearTimeout(this.#loginTimer);
    this.#failures = 0;
    this.#rejections = 0;
    this.#pingedAt = 0;
    this.#beatTimer = setInterval(() => this.#beat(), frame.heartbeat?.interval_ms ?? 10_000);
    this.#writeAs(frame.user.uid);
    this.#become('online');
    for (const conversation of this.#viewed) this.#tell({ type: 'view', conversation, on: true });
    this.#pump();
    for (const entry of this.#requests.values()) this.#write(entry);
    this.#emit('welcome', frame);
  }

  /** What somebody else has left in this browser is not sent in this user's name. @param {string} uid */
  #writeAs(uid) {
    if (this.#writer !== null && this.#writer !== uid) this.forget();
    this.#writer = uid;
    this.#shelf.write(uid, (waiting) => waiting);
  }

  /** @param {any} frame */
  #loginFailed(frame) {
    if (this.online) return this.#emit('error', frame);
    const socket = this.#socket;
    this.#detach();
    socket?.close();
    this.#pauseMs = frame.retry_after_ms ?? 0;
    if (PASSING.has(frame.code)) this.#retryLater(); else this.#rejected();
  }

  /** @param {any} notice */
  async #noticed(notice) {
    if (notice.code === 'draining') this.#pauseMs = notice.reconnect_ms ?? 0;
    if (notice.code === 'token_expiring' && typeof this.#token === 'function') {
      const token = await Promise.resolve(this.#token({ rejected: false })).catch(() => null);
      if (token) this.#tell({ type: 'login', id: 'login', token });
    }
  }

  /** @param {Message} message */
  #arrived(message) {
    this.#take(message.conversation, message.seq, message);
    if (message.from.uid !== this.welcome?.user.uid) this.#ackSoon(message.conversation);
  }

  /** @param {number} conversation @param {number} seq @param {Message|null} message */
  #take(conversation, seq, message) {
    const stream = this.#streams.get(conversation) ?? new Stream();
    this.#streams.set(conversation, stream);
    for (const due of stream.take(seq, message)) this.#emit('message', due);
    this.#watchGap(conversation, stream);
  }

  /** @param {number} conversation @param {Stream} stream */
  #watchGap(conversation, stream) {
    if (!stream.held.size) {
      clearTimeout(this.#gapTimers.get(conversation));
      this.#gapTimers.delete(conversation);
    } else if (!this.#gapTimers.has(conversation)) {
      this.#gapTimers.set(conversation, setTimeout(() => this.#fillGap(conversation, stream), GAP_PATIENCE_MS));
    }
  }

  /** @param {number} conversation @param {Stream} stream */
  async #fillGap(conversation, stream) {
    try {
      const before = stream.last;
      const { messages } = await this.request('history', { conversation, after: stream.last, limit: 200 });
      for (const message of messages) {
        for (const due of stream.take(message.seq, message)) this.#emit('message', due);
      }
      if (stream.last === before) throw new ShopbellError('not_found');
    } catch (error) {
      if (error instanceof ShopbellError && error.code === 'closed') return;
      for (const due of stream.skipGap()) this.#emit('message', due);
    }
    this.#gapTimers.delete(conversation);
    this.#ackSoon(conversation);
    this.#watchGap(conversation, stream);
  }

  /** Acks are cumulative: one for all that came within a moment, or for many. @param {number} conversation */
  #ackSoon(conversation) {
    this.#unacked.add(conversation);
    this.#toAck += 1;
    if (this.#toAck >= ACK_AT_ONCE) this.#ack(); else this.#ackTimer ||= setTimeout(() => this.#ack(), ACK_DELAY_MS);
  }

  #ack() {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = this.#toAck = 0;
    for (const id of this.#unacked) this.#tell({ type: 'ack', conversation: id, seq: this.#streams.get(id)?.last ?? 0 });
    this.#unacked.clear();
  }
}
