/**
 * One conversation as a page holds it: the thread, the composer below it, what is being sent, and
 * the events that concern it. Both pages use it; what surrounds a conversation is theirs.
 */

import { newId } from '/assets/sdk/shopbell.js';
import { upload } from '/assets/api.js';
import { Composer } from '/assets/composer.js';
import { nameOf, t } from '/assets/i18n.js';
import { Thread } from '/assets/thread.js';

/** @typedef {import('/assets/sdk/shopbell.js').Shopbell} Shopbell */

export class Room {
  /** How to try again what was refused, by id. @type {Map<string, () => void>} */ #again = new Map();
  /** How far this page has said that it was read. */ #readSeq = 0;
  /** @type {import('/assets/sdk/shopbell.js').Summary|null} */ summary = null;

  /**
   * @param {object} options
   * @param {Shopbell} options.client
   * @param {'buyer'|'shop'} options.side
   * @param {import('/assets/sdk/shopbell.js').Address} options.to
   * @param {() => Promise<string>|string} options.token for uploads
   * @param {string} [options.accept] which files the picker offers
   * @param {(stored: object, content: object) => void} [options.onStored]
   * @param {(error: Error) => void} [options.onFault] something that has no row in the thread was refused
   */
  constructor({ client, side, to, token, accept, onStored = () => {}, onFault = () => {} }) {
    this.client = client;
    this.side = side;
    this.to = to;
    this.token = token;
    this.onStored = onStored;
    this.onFault = onFault;
    this.thread = new Thread({
      side,
      onEarlier: () => this.#earlier(),
      onRetry: (id) => this.#again.get(id)?.(),
      onDiscard: (id) => this.#again.delete(id),
      onRecall: (seq) => {
        // The row that had the focus is drawn anew.
        this.composer.focus();
        client.recall(this.summary.id, seq).catch((error) => this.onFault(error));
      },
      recallable: (at) => Date.parse(at) + (client.welcome?.limits?.recall_window_ms ?? 0) - client.now,
      me: () => client.welcome?.user.uid,
    });
    this.composer = new Composer({
      text: (text) => this.post({ kind: 'text', text }),
      file: (file) => this.attach(file),
      typing: (on) => { if (this.summary) client.typing(this.summary.id, on); },
    }, accept);
    const here = JSON.stringify(to);
    for (const { id, to: there, content, at } of client.waiting) {
      if (JSON.stringify(there) === here) this.post(content, id, at);
    }
  }

  /** @param {import('/assets/sdk/shopbell.js').Content} content */
  async post(content, id = newId(), at = undefined) {
    this.#again.set(id, () => this.post(content, id));
    this.thread.addPending(id, content, at);
    try {
      const stored = await this.client.send(this.to, content, id);
      this.#again.delete(id);
      this.thread.settle(id, stored, { ...this.client.welcome.user, role: this.side === 'buyer' ? 'buyer' : 'agent' });
      this.onStored(stored, content);
    } catch (error) {
      this.thread.fail(id, error);
    }
  }

  async attach(file, id = newId()) {
    this.#again.set(id, () => this.attach(file, id));
    this.thread.addPending(id, { kind: 'uploading', name: file.name });
    try {
      this.post(await upload(file, await this.token(), (part) => this.thread.progress(id, part)), id);
    } catch (error) {
      this.thread.fail(id, error);
    }
  }

  /** Brings the thread up to date from the history: messages, and how far the other side has read. */
  async load() {
    const { client, thread } = this;
    const { id } = this.summary;
    const known = thread.lastSeq;
    const newest = await client.history(id);
    if (!known) thread.setMore(newest.more);
    let page = { more: known > 0 && newest.messages.length > 0 && newest.messages[0].seq > known + 1 };
    for (let after = known; page.more; after = thread.lastSeq) {
      page = await client.history(id, { after, limit: 200 });
      thread.add(page.messages);
    }
    thread.add(newest.messages);
  }

  async #earlier() {
    const { messages, more } = await this.client.history(this.summary.id, { before: this.thread.firstSeq });
    this.thread.add(messages);
    this.thread.setMore(more);
  }

  /** Says whether somebody looks at it: what is on screen counts as read. */
  look(on) {
    if (!this.summary) return;
    this.client.view(this.summary.id, on);
    const { lastSeq } = this.thread;
    if (!on || lastSeq <= this.#readSeq) return;
    this.#readSeq = lastSeq;
    this.client.read(this.summary.id, lastSeq).catch(() => {});
  }

  /** @param {object} frame an event of this conversation */
  on(frame) {
    const { thread } = this;
    const mine = frame.by === this.client.welcome?.user.uid;
    switch (frame.type) {
      case 'message': return thread.add([frame]);
      case 'delivered':
      case 'read': return mine ? undefined : thread.reached(frame.type, frame.seq);
      case 'typing': return mine ? undefined : thread.setTyping(frame.on ? this.#whoIs(frame.by) : null);
      case 'edited': return thread.replace(frame.seq, frame.content, frame.at);
      case 'recalled':
      case 'deleted': return thread.replace(frame.seq, { kind: frame.type });
    }
  }

  #whoIs(uid) {
    const known = [this.summary?.buyer, this.summary?.claimed_by].find((user) => user?.uid === uid);
    return nameOf(known) || (this.side === 'buyer' ? t('agent') : nameOf({ uid }));
  }

  redraw() {
    this.thread.redraw();
    this.composer.relabel();
  }
}

/** The events that concern one conversation by its id, to be handed to its room. */
export const ROOM_EVENTS = ['message', 'delivered', 'read', 'typing', 'edited', 'recalled', 'deleted'];
