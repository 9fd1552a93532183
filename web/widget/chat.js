/**
 * The buyer's one conversation with a shop: the connection, the room, and what state it is in.
 */

import { Shopbell, ShopbellError } from '/assets/sdk/shopbell.js';
import { nameOf, t } from '/assets/i18n.js';
import { ORIGIN } from '/assets/origin.js';
import { Room, ROOM_EVENTS } from '/assets/room.js';
import { tellTabs } from '/assets/tabs.js';

const TITLE_MAX = 500;
/** How many messages are unread, before a page's title. */
export const COUNTED = /^\(\d+\+?\) /;

export class Chat {
  /** The page that was said last, and to whom. */ #pageSaid = '';
  /** The place in the line of those who wait; 0 while it is not known. */ #place = 0;
  /** Whether nobody is on duty. */ #nobody = false;
  #shown = false;
  /** How many messages the buyer has not seen. */ unread = 0;

  /**
   * @param {object} options
   * @param {string} options.shop
   * @param {import('/assets/widget/identity.js').Identity} options.identity
   * @param {() => void} options.onChange something that is shown has changed
   * @param {(message: import('/assets/sdk/shopbell.js').Message) => void} options.onMessage somebody of the shop has written
   * @param {(error: Error) => void} options.onFault
   */
  constructor({ shop, identity, onChange, onMessage, onFault }) {
    Object.assign(this, { shop, onChange });
    const client = this.client = new Shopbell({
      token: identity.token,
      url: `${ORIGIN.replace(/^http/, 'ws')}/ws`,
      keep: `shopbell.outbox.${shop}`,
    });
    this.room = new Room({
      client,
      side: 'buyer',
      to: { shop },
      token: () => identity.token({ rejected: false }),
      onStored: () => { if (this.room.summary) this.#tellPage(); else this.#refresh(); },
      onFault,
    });
    this.room.thread.setEmpty(t('chat_hello'), t('chat_empty'));
    const listen = (type, run) => client.addEventListener(type, ({ detail }) => { run(detail); onChange(); });
    for (const type of ROOM_EVENTS) listen(type, (frame) => { if (this.#isMine(frame)) this.room.on(frame); });
    listen('state', ({ state }) => { if (state === 'refused') onFault(new ShopbellError('unauthenticated', t('refused'))); });
    listen('welcome', () => { this.#pageSaid = ''; this.#refresh(); });
    listen('message', (message) => {
      if (message.shop !== shop || message.from.role === 'buyer') return;
      if (!this.#shown) this.unread++;
      onMessage(message);
    });
    listen('conversation', ({ conversation }) => { if (conversation.shop === shop) this.#update(conversation); });
    listen('presence', ({ shop: of, online }) => { if (of === shop) this.#nobody = !online; });
    listen('notice', ({ code, position }) => {
      if (code === 'queue_position') this.#place = position;
      if (code === 'away') this.#nobody = true;
      if (code === 'resync') this.#refresh();
    });
  }

  #isMine({ conversation, shop }) {
    return this.room.summary ? conversation === this.room.summary.id : shop === this.shop;
  }

  /** Reads the conversation again: at the start, after a reconnection, and when the server says so. */
  async #refresh() {
    try {
      const { conversations } = await this.client.inbox();
      const found = conversations.find(({ shop }) => shop === this.shop);
      if (!found) return;
      if (!this.#shown) this.unread = found.unread;
      this.#update(found);
      await this.room.load();
      this.look(this.#shown);
    } catch { /* asked again after the next connection */ }
    this.onChange();
  }

  #update(summary) {
    // What was read may be older than what has been told meanwhile.
    if (summary.claim_version < (this.room.summary?.claim_version ?? 0)) return;
    this.room.summary = summary;
    if (summary.state !== 'waiting') this.#place = 0;
    if (summary.state === 'claimed') this.#nobody = false;
    this.#tellPage();
  }

  /** Says to who answers which page the buyer looks at: without its query, which may hold what is nobody's business. */
  #tellPage() {
    const { summary } = this.room;
    if (!summary || summary.state === 'resolved' || !location.protocol.startsWith('http')) return;
    const page = { url: location.origin + location.pathname, title: document.title.replace(COUNTED, '').slice(0, TITLE_MAX) };
    const said = JSON.stringify([summary.claim_version, page]);
    if (said === this.#pageSaid) return;
    this.#pageSaid = said;
    this.client.page(summary.id, page);
  }

  /** Says whether the buyer looks at it. */
  look(shown) {
    this.#shown = shown;
    this.room.look(shown);
    if (!shown) return;
    this.unread = 0;
    const { summary, thread } = this.room;
    this.#tellPage();
    if (summary) tellTabs({ uid: this.client.welcome?.user.uid, seen: { conversation: summary.id, seq: thread.lastSeq } });
  }

  /** Another tab may have shown it. @param {import('/assets/tabs.js').News} news */
  hear({ uid, seen }) {
    const { summary, thread } = this.room;
    if (uid !== this.client.welcome?.user.uid || !seen || seen.conversation !== summary?.id || seen.seq < thread.lastSeq) return;
    this.unread = 0;
    this.onChange();
  }

  /** @returns {'offline'|'new'|'waiting'|'claimed'|'resolved'} */
  get state() { return this.client.online ? this.room.summary?.state ?? 'new' : 'offline'; }

  /** The state in words. */
  get line() {
    const { client, room: { summary } } = this;
    if (client.state === 'refused') return t('refused');
    if (client.state === 'waiting') return t('offline');
    if (client.state === 'connecting' && !summary) return t('connecting');
    switch (summary?.state) {
      case 'claimed': return t('state_claimed', { name: nameOf(summary.claimed_by) || t('agent') });
      case 'resolved': return t('state_resolved');
      case 'waiting':
        if (this.#nobody) return t('state_away');
        if (this.#place === 1) return t('state_next');
        return this.#place ? t('state_place', { n: this.#place }) : t('state_waiting');
      default: return t(this.#nobody ? 'state_away' : 'state_ready');
    }
  }

  /** Ends the connection; with `forget`, nothing of the person is left in this browser. */
  end({ forget = false } = {}) {
    if (forget) this.client.forget();
    this.client.close();
  }
}
