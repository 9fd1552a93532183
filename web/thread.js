/**
 * A conversation on screen: its messages in `seq` order, those still on their way, ticks, typing.
 * Both pages use it; only `side` differs. It knows nothing of the connection: the page feeds it.
 */

import { avatar, clock, day, el, icon, onSameDay } from '/assets/dom.js';
import { explain, nameOf, t } from '/assets/i18n.js';
import { view } from '/assets/content.js';

const NEAR_END_PX = 80;
const NEAR_START_PX = 60;
const GROUP_MS = 5 * 60_000;
const TYPING_MS = 6_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** @typedef {import('/assets/sdk/shopbell.js').Message} Message */

/** What is refused for these would be refused again. */
const LASTING = new Set(['invalid', 'too_large']);

const sameContent = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Thread {
  /** @type {Map<number, Message>} */ #messages = new Map();
  /** Not yet stored: id → {content, at, error}. @type {Map<string, object>} */ #pending = new Map();
  /** Rows by seq, or by id while pending. @type {Map<number|string, HTMLElement>} */ #rows = new Map();
  /** What every day begins with, by the day. @type {Map<string, HTMLElement>} */ #days = new Map();
  /** The `seq`s of the messages, ascending. @type {number[]} */ #order = [];
  #reached = { delivered: 0, read: 0 };
  #typingTimer = 0;
  #typing = el('div.typing', { hidden: true, role: 'status' }, el('span.dots', {}, el('i'), el('i'), el('i')), el('span.who'));
  #list = el('ol.messages');
  #earlier = el('button.earlier', { type: 'button', hidden: true, onclick: () => this.#goBack() });
  #empty = el('div.empty');

  root = el('div.thread', { role: 'log', tabindex: '0' });

  /**
   * @param {object} options
   * @param {'buyer'|'shop'} options.side whose page this is: its own messages stand on the right
   * @param {() => void} [options.onEarlier] asked for messages before the first
   * @param {(id: string) => void} [options.onRetry] asked to send a refused message again
   * @param {(id: string) => void} [options.onDiscard] asked to forget a refused message
   * @param {(seq: number) => void} [options.onRecall] asked to take one's own message back
   * @param {(at: string) => number} [options.recallable] for how many ms more what was written then may be taken back
   * @param {() => string|undefined} [options.me] the uid of who looks
   */
  constructor({ side, onEarlier = () => {}, onRetry = () => {}, onDiscard = () => {}, onRecall = () => {}, recallable = () => 0, me = () => undefined }) {
    Object.assign(this, { side, onEarlier, onRetry, onDiscard, onRecall, recallable, me });
    this.root.append(this.#earlier, this.#empty, this.#list, this.#typing);
    this.root.addEventListener('load', () => { if (this.#atEnd) this.toEnd(); }, true);
    this.root.addEventListener('scroll', () => {
      this.#atEnd = this.#isAtEnd();
      if (this.root.scrollTop < NEAR_START_PX && !this.#atEnd) this.#goBack();
    }, { passive: true });
    new ResizeObserver(() => { if (this.#atEnd) this.toEnd(); }).observe(this.root);
  }

  #atEnd = true;
  #goingBack = false;

  get firstSeq() { return this.#order[0] ?? Infinity; }
  get lastSeq() { return this.#order.at(-1) ?? 0; }

  /** Asks for what came before, once at a time. */
  async #goBack() {
    if (this.#goingBack || this.#earlier.hidden) return;
    this.#goingBack = true;
    try { await this.onEarlier(); } catch { /* asked again by the next scrolling */ } finally { this.#goingBack = false; }
  }

  /** @param {Message[]} messages in any order, repeats allowed */
  add(messages) {
    for (const message of messages) {
      const own = this.#isOwn(message);
      if (own && message.read_at) this.reached('read', message.seq);
      else if (own && message.delivered_at) this.reached('delivered', message.seq);
      const known = this.#messages.get(message.seq);
      if (known && sameContent(known.content, message.content)) continue;
      if (known) this.#rows.delete(message.seq);
      if (own && this.#pending.has(message.client_id)) this.#settleRow(message.client_id, message.seq);
      if (!own) this.setTyping(null);
      this.#keep(message);
    }
    this.#layout();
  }

  #keep(message) {
    const { seq } = message;
    if (!this.#messages.has(seq)) {
      const before = this.#order.findLastIndex((known) => known < seq);
      this.#order.splice(before + 1, 0, seq);
    }
    this.#messages.set(seq, message);
  }

  /** A message of this page's own that has not been answered yet. */
  addPending(id, content, at = new Date().toISOString()) {
    this.#pending.set(id, { content, at, error: null });
    this.#rows.delete(id);
    this.#layout();
    this.toEnd();
  }

  /** How far the upload of a pending message has come. @param {number} part from 0 to 1 */
  progress(id, part) {
    const bar = this.#rows.get(id)?.querySelector('progress');
    if (bar) bar.value = part;
  }

  /** @param {string} id @param {{seq: number, at: string}} stored @param {import('/assets/sdk/shopbell.js').User} from */
  settle(id, { seq, at }, from) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#settleRow(id, seq);
    if (!this.#messages.has(seq)) this.#keep({ seq, at, from, content: pending.content, client_id: id });
    this.#layout();
  }

  fail(id, error) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    pending.error = error;
    this.#rows.delete(id);
    this.#layout();
  }

  /** The content of a message has changed. */
  replace(seq, content, edited_at = null) {
    const message = this.#messages.get(seq);
    if (!message) return;
    Object.assign(message, { content, edited_at });
    this.#rows.delete(seq);
    this.#layout();
  }

  /** How far the other side has come. @param {'delivered'|'read'} what @param {number} seq */
  reached(what, seq) {
    this.#reached[what] = Math.max(this.#reached[what], seq);
    if (what === 'read') this.#reached.delivered = Math.max(this.#reached.delivered, seq);
    this.#tick();
  }

  /** @param {string|null} name who is typing */
  setTyping(name) {
    clearTimeout(this.#typingTimer);
    this.#typing.hidden = !name;
    if (!name) return;
    this.#typing.querySelector('.who').textContent = t('is_typing', { name });
    this.#typingTimer = setTimeout(() => this.setTyping(null), TYPING_MS);
    if (this.#atEnd) this.toEnd();
  }

  setMore(more) { this.#earlier.hidden = !more; }
  /** What stands where nothing has been said. */
  setEmpty(title, line) { this.#empty.replaceChildren(el('b', {}, title), el('p', {}, line)); }

  toEnd() {
    this.root.scrollTop = this.root.scrollHeight;
    this.#atEnd = true;
  }

  /** Draws everything again, in the present language. */
  redraw() {
    this.#rows.clear();
    this.#days.clear();
    this.#layout();
  }

  #isOwn(message) { return (message.from.role === 'buyer') === (this.side === 'buyer'); }
  #isAtEnd() { return this.root.scrollHeight - this.root.scrollTop - this.root.clientHeight < NEAR_END_PX; }

  #settleRow(id, seq) {
    const row = this.#rows.get(id);
    this.#pending.delete(id);
    this.#rows.delete(id);
    if (row && !this.#messages.has(seq)) this.#rows.set(seq, row);
  }

  /** Brings the list to what is known, moving only what is not in its place. */
  #layout() {
    const { root } = this;
    const fromEnd = root.scrollHeight - root.scrollTop;
    const first = this.#list.querySelector('[data-seq]')?.dataset.seq;
    let place = this.#list.firstElementChild;
    const put = (node) => {
      if (node === place) place = place.nextElementSibling;
      else this.#list.insertBefore(node, place);
    };
    let previous = null;
    for (const seq of this.#order) {
      const message = this.#messages.get(seq);
      if (!previous || !onSameDay(previous.at, message.at)) put(this.#day(message.at));
      const row = this.#row(seq, message);
      row.classList.toggle('joined', Boolean(previous) && this.#joins(previous, message));
      put(row);
      previous = message;
    }
    for (const [id, pending] of this.#pending) put(this.#pendingRow(id, pending));
    while (place) {
      const next = place.nextElementSibling;
      place.remove();
      place = next;
    }
    this.#empty.hidden = this.#order.length + this.#pending.size > 0;
    this.root.setAttribute('aria-label', t('messages'));
    this.#earlier.textContent = t('earlier');
    this.#tick();
    if (this.#atEnd) this.toEnd();
    else if (first && Number(first) > this.firstSeq) root.scrollTop = root.scrollHeight - fromEnd;
  }

  #day(at) {
    const name = day(at);
    const known = this.#days.get(name) ?? el('li.day', {}, el('span', {}, name));
    this.#days.set(name, known);
    return known;
  }

  /** Whether a message stands close under the one before it. */
  #joins(previous, message) {
    return previous.from.uid === message.from.uid && onSameDay(previous.at, message.at)
      && Date.parse(message.at) - Date.parse(previous.at) < GROUP_MS;
  }

  #row(seq, message) {
    let row = this.#rows.get(seq);
    if (!row) {
      row = this.#draw(this.#isOwn(message), message);
      this.#rows.set(seq, row);
    }
    row.dataset.seq = seq;
    if (row.classList.contains('pending')) {
      row.classList.remove('pending');
      row.querySelector('.meta').prepend(this.#recall(message) ?? '');
    }
    return row;
  }

  #pendingRow(id, { content, at, error }) {
    let row = this.#rows.get(id);
    if (row) return row;
    row = this.#draw(true, { content, at, from: null });
    row.classList.add('pending');
    if (error) {
      row.classList.add('failed');
      row.querySelector('.body').append(el('div.failure', {}, icon('alert'), t('not_sent', { why: explain(error) }),
        !LASTING.has(error.code) && el('button', { type: 'button', onclick: () => this.onRetry(id) }, t('try_again')),
        el('button', { type: 'button', onclick: () => this.#discard(id) }, t('discard'))));
    }
    this.#rows.set(id, row);
    return row;
  }

  #discard(id) {
    this.#pending.delete(id);
    this.#layout();
    this.onDiscard(id);
  }

  /** The button that takes a message back, there while the server allows it. */
  #recall({ seq, at, from, content }) {
    const left = this.recallable(at);
    if (!seq || left <= 0 || from?.uid !== this.me() || ['recalled', 'deleted'].includes(content?.kind)) return null;
    const button = el('button.recall', { type: 'button', title: t('recall'), 'aria-label': t('recall'), onclick: () => this.onRecall(seq) }, icon('undo'));
    setTimeout(() => button.remove(), Math.min(left, TIMER_MAX_MS));
    return button;
  }

  #draw(own, message) {
    const { content, at, from } = message;
    const name = nameOf(from);
    return el(`li.row.${own ? 'own' : 'other'}.kind-${/^[a-z]+$/.test(content?.kind) ? content.kind : 'unknown'}`, {},
      own ? null : avatar(from, name),
      el('div.body', {},
        own && this.side === 'buyer' ? null : el('div.name', {}, name),
        el('div.bubble', {}, view(content)),
        el('div.meta', {}, this.#recall(message), message.edited_at && el('span', {}, t('edited')),
          el('time', { datetime: at }, clock(at)), own ? el('span.tick') : null)));
  }

  #tick() {
    for (const row of this.#list.querySelectorAll('.row.own')) {
      const tick = row.querySelector('.tick');
      const seq = Number(row.dataset.seq);
      const state = row.classList.contains('pending') ? 'sending'
        : seq <= this.#reached.read ? 'read' : seq <= this.#reached.delivered ? 'delivered' : 'stored';
      if (tick.dataset.state === state && tick.title === t(state)) continue;
      tick.dataset.state = state;
      tick.title = t(state);
      tick.setAttribute('aria-label', t(state));
      tick.setAttribute('role', 'img');
      tick.replaceChildren(icon({ sending: 'clock', stored: 'tick', delivered: 'ticks', read: 'ticks' }[state]));
    }
  }
}
