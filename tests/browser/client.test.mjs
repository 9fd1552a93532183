// The client's promises (web/sdk/shopbell.js), against a server of paper: a socket whose other end
// is the test. Time is the test's own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';

/** The server's end of a connection. */
class PaperSocket {
  static OPEN = 1;
  /** @type {PaperSocket[]} */ static all = [];
  static get last() { return PaperSocket.all.at(-1); }
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    PaperSocket.all.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close(code = 1005) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose({ code });
  }

  opens() { this.readyState = 1; this.onopen(); }
  says(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
  welcomes() {
    this.opens();
    this.says({ type: 'welcome', id: 'login', user: { uid: 'b1' }, shops: [], heartbeat: { interval_ms: 10_000 } });
  }

  /** Frames of one type, in the order they came. */
  got(type) { return this.sent.filter((frame) => frame.type === type); }
}

/** Time that passes when the test says so. */
class Clock {
  now = 0;
  /** @type {Map<number, {at: number, every: number, run: () => void}>} */ timers = new Map();

  set(run, delay = 0, every = 0) {
    this.next = (this.next ?? 0) + 1;
    this.timers.set(this.next, { at: this.now + delay, every, run });
    return this.next;
  }

  tick(ms) {
    for (const end = this.now + ms; ;) {
      const [id, timer] = [...this.timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > end) { this.now = end; return; }
      this.now = timer.at;
      if (timer.every) timer.at += timer.every; else this.timers.delete(id);
      timer.run();
    }
  }
}

let clock = new Clock();
const page = new EventTarget();
Object.assign(globalThis, {
  setTimeout: (run, delay) => clock.set(run, delay),
  setInterval: (run, every) => clock.set(run, every, every),
  clearTimeout: (id) => clock.timers.delete(id),
  clearInterval: (id) => clock.timers.delete(id),
  CustomEvent: globalThis.CustomEvent ?? class extends Event {
    constructor(type, { detail }) { super(type); this.detail = detail; }
  },
  WebSocket: PaperSocket,
  location: { origin: 'https://shop.example' },
  document: Object.assign(new EventTarget(), { visibilityState: 'visible' }),
  addEventListener: page.addEventListener.bind(page),
  removeEventListener: page.removeEventListener.bind(page),
});
// By its text, because no package.json beside it tells Node that it is a module.
const source = readFileSync(new URL('../../web/sdk/shopbell.js', import.meta.url), 'utf8');
const { Shopbell } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

/** What a test leaves unanswered fails when its client is closed. */
const left = () => {};
const clients = [];
const soon = () => new Promise((resolve) => setImmediate(resolve));
const hello = { kind: 'text', text: 'hello' };
const message = (seq, uid = 'a1') => ({ type: 'message', conversation: 7, seq, from: { uid }, content: { kind: 'text', text: `${seq}` } });

/** A client that is logged in, with the `seq` of all it has given out. */
async function online(token = 'token') {
  const client = new Shopbell({ token });
  clients.push(client);
  const seen = [];
  client.addEventListener('message', ({ detail }) => seen.push(detail.seq));
  client.connect();
  await soon();
  PaperSocket.last.welcomes();
  return { client, seen, socket: PaperSocket.last };
}

async function reconnected() {
  clock.tick(1_000);
  await soon();
  PaperSocket.last.welcomes();
  return PaperSocket.last;
}

beforeEach(() => {
  PaperSocket.all = [];
  clock = new Clock();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

test('login is the first frame, and the token stays out of the address', async () => {
  const { socket } = await online('secret');
  assert.equal(socket.url, 'wss://shop.example/ws');
  assert.deepEqual(socket.sent[0], { type: 'login', id: 'login', token: 'secret' });
});

test('messages leave one after another, each when the one before is answered', async () => {
  const { client, socket } = await online();
  const first = client.send({ shop: 'acme' }, hello, 'm1');
  client.send({ shop: 'acme' }, hello, 'm2').catch(left);
  assert.deepEqual(socket.got('send').map(({ id }) => id), ['m1']);
  socket.says({ type: 'ok', id: 'm1', conversation: 7, seq: 1 });
  assert.equal((await first).seq, 1);
  assert.deepEqual(socket.got('send').map(({ id }) => id), ['m1', 'm2']);
});

test('what was not answered is sent again under the same id after a lost connection', async () => {
  const { client, socket } = await online();
  const sent = client.send({ shop: 'acme' }, hello, 'm1');
  socket.close(1006);
  assert.equal(client.state, 'waiting');
  client.send({ shop: 'acme' }, hello, 'm2').catch(left);
  const next = await reconnected();
  assert.deepEqual(next.got('send').map(({ id }) => id), ['m1']);
  next.says({ type: 'ok', id: 'm1', conversation: 7, seq: 1, duplicate: true });
  assert.equal((await sent).duplicate, true);
  assert.deepEqual(next.got('send').map(({ id }) => id), ['m1', 'm2']);
});

test('a passing refusal is tried again, a lasting one is reported', async () => {
  const { client, socket } = await online();
  const sent = client.send({ conversation: 7 }, hello, 'm1');
  socket.says({ type: 'error', id: 'm1', code: 'unavailable', retry_after_ms: 200 });
  clock.tick(200);
  assert.equal(socket.got('send').length, 2);
  socket.says({ type: 'error', id: 'm1', code: 'not_claimant', claimed_by: { uid: 'a2' } });
  await assert.rejects(sent, ({ code, detail }) => code === 'not_claimant' && detail.claimed_by.uid === 'a2');
});

test('each message is given out once and in order, and acked as far as there is no gap', async () => {
  const { seen, socket } = await online();
  for (const seq of [4, 5, 5, 7, 4, 6]) socket.says(message(seq));
  clock.tick(25);
  assert.deepEqual(seen, [4, 5, 6, 7]);
  assert.deepEqual(socket.got('ack'), [{ type: 'ack', conversation: 7, seq: 7 }]);
  socket.says(message(9));
  clock.tick(25);
  assert.equal(socket.got('ack').at(-1).seq, 7);
  assert.equal(socket.got('history').length, 0, 'a gap may close by itself within a second');
});

test('a gap of a second is filled from the history', async () => {
  const { seen, socket } = await online();
  socket.says(message(1));
  socket.says(message(4));
  clock.tick(1_000);
  const [asked] = socket.got('history');
  assert.deepEqual([asked.conversation, asked.after], [7, 1]);
  socket.says({ type: 'ok', id: asked.id, messages: [message(2), message(3), message(4)], more: false });
  await soon();
  clock.tick(25);
  assert.deepEqual(seen, [1, 2, 3, 4]);
  assert.equal(socket.got('ack').at(-1).seq, 4);
});

test('many messages at once are acked before the server\'s window is full', async () => {
  const { socket } = await online();
  for (let seq = 1; seq <= 150; seq++) socket.says(message(seq));
  assert.deepEqual(socket.got('ack').map(({ seq }) => seq), [64, 128]);
  clock.tick(25);
  assert.deepEqual(socket.got('ack').map(({ seq }) => seq), [64, 128, 150]);
});

test('an answer that overtakes a message does not hide it', async () => {
  const { client, seen, socket } = await online();
  client.send({ shop: 'acme' }, hello, 'm1');
  socket.says({ type: 'ok', id: 'm1', conversation: 7, seq: 9 });
  socket.says(message(8));
  socket.says(message(10));
  assert.deepEqual(seen, [8, 10]);
});

test('a message repeated after a reconnection is acked again, not given out again', async () => {
  const { seen, socket } = await online();
  socket.says(message(1));
  socket.close(1006);
  const next = await reconnected();
  next.says({ ...message(1), redelivered: true });
  clock.tick(25);
  assert.deepEqual(seen, [1]);
  assert.deepEqual(next.got('ack').map(({ seq }) => seq), [1]);
});

test('a copy of one\'s own message from another device is shown and not acked', async () => {
  const { seen, socket } = await online();
  socket.says(message(1, 'b1'));
  clock.tick(25);
  assert.deepEqual(seen, [1]);
  assert.equal(socket.got('ack').length, 0);
});

test('a connection that answers no ping is left for another', async () => {
  const { client } = await online();
  clock.tick(10_000);
  assert.equal(PaperSocket.last.got('ping').length, 1);
  clock.tick(10_000);
  assert.equal(client.state, 'waiting');
  await reconnected();
  assert.equal(client.state, 'online');
});

test('the network coming back ends the waiting at once', async () => {
  const { client, socket } = await online();
  socket.close(1006);
  page.dispatchEvent(new Event('online'));
  await soon();
  assert.equal(PaperSocket.all.length, 2);
  assert.equal(client.state, 'connecting');
});

test('a refused token is asked for once more, then the client gives up', async () => {
  const asked = [];
  const client = new Shopbell({ token: ({ rejected }) => { asked.push(rejected); return 'old'; } });
  clients.push(client);
  client.connect();
  for (let attempt = 0; attempt < 2; attempt++) {
    await soon();
    PaperSocket.last.opens();
    PaperSocket.last.says({ type: 'error', id: 'login', code: 'unauthenticated' });
  }
  assert.deepEqual(asked, [false, true]);
  assert.equal(client.state, 'refused');
});

test('an act that must not happen twice is not repeated after a lost connection', async () => {
  const { client, socket } = await online();
  const released = client.release(7);
  const listed = client.inbox();
  socket.close(1006);
  await assert.rejects(released, { code: 'disconnected' });
  const next = await reconnected();
  assert.equal(next.got('release').length, 0);
  next.says({ type: 'ok', id: next.got('inbox')[0].id, conversations: [], next: null });
  assert.deepEqual((await listed).conversations, []);
});

/** What this browser keeps. */
const shelf = new Map();
globalThis.localStorage = {
  getItem: (key) => shelf.get(key) ?? null,
  setItem: (key, value) => shelf.set(key, String(value)),
  removeItem: (key) => shelf.delete(key),
};

/** A page is loaded: a client that keeps what waits, let in as `uid`. */
async function pageOf(uid) {
  const client = new Shopbell({ token: 'T', url: 'ws://x/ws', keep: 'outbox' });
  clients.push(client);
  client.connect();
  await soon();
  const socket = PaperSocket.last;
  socket.opens();
  if (uid) socket.says({ type: 'welcome', id: 'login', user: { uid }, shops: [], heartbeat: { interval_ms: 10_000 } });
  return { client, socket };
}

test('what waits outlives the page, and leaves in order under the same ids', async () => {
  shelf.clear();
  const first = await pageOf(null);
  for (const text of ['one', 'two']) first.client.send({ shop: 'acme' }, { kind: 'text', text }).catch(() => {});
  const ids = first.client.waiting.map(({ id }) => id);
  first.client.close();
  const { client, socket } = await pageOf('b1');
  assert.deepEqual(client.waiting.map(({ content }) => content.text), ['one', 'two']);
  assert.deepEqual(socket.got('send').map(({ id }) => id), [ids[0]]);
  const settled = client.send({ shop: 'acme' }, { kind: 'text', text: 'one' }, ids[0]);
  socket.says({ type: 'ok', id: ids[0], conversation: 7, seq: 1, at: 'now', duplicate: false });
  assert.equal((await settled).seq, 1);
  assert.deepEqual(socket.got('send').map(({ id }) => id), ids);
  socket.says({ type: 'ok', id: ids[1], conversation: 7, seq: 2, at: 'now', duplicate: false });
  assert.equal(shelf.size, 0);
});

test('what one person has left is not sent in another one\'s name', async () => {
  shelf.clear();
  const { client: left } = await pageOf('b1');
  left.send({ shop: 'acme' }, { kind: 'text', text: 'mine' }).catch(() => {});
  left.close();
  assert.equal(shelf.size, 1);
  const { client, socket } = await pageOf('b2');
  assert.equal(socket.got('send').length, 0);
  assert.deepEqual(client.waiting, []);
  assert.equal(shelf.size, 0);
});

test('who signs out leaves nothing behind', async () => {
  shelf.clear();
  const { client } = await pageOf(null);
  const sent = client.send({ shop: 'acme' }, { kind: 'text', text: 'mine' });
  client.forget();
  await assert.rejects(sent, { code: 'closed' });
  assert.equal(shelf.size, 0);
});

test('a message that is refused does not wait any more', async () => {
  shelf.clear();
  const { client, socket } = await pageOf('b1');
  const sent = client.send({ shop: 'acme' }, { kind: 'text', text: ' ' }, 'x');
  socket.says({ type: 'error', id: 'x', code: 'invalid', field: 'content.text' });
  await assert.rejects(sent, { code: 'invalid' });
  assert.equal(shelf.size, 0);
});

test('the time is the server\'s, whatever the clock on the desk says', async () => {
  const { client, socket } = await pageOf('b1');
  assert.ok(Math.abs(client.now - Date.now()) < 50, 'a server that does not tell is believed to be right');
  socket.says({ type: 'welcome', user: { uid: 'b1' }, shops: [], at: new Date(Date.now() - 3_600_000).toISOString() });
  assert.ok(Math.abs(client.now - Date.now() + 3_600_000) < 50);
});
