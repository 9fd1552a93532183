/**
 * The conversations of one shop as an agent sees them: kept up to date by events, sorted into tabs.
 */

/** @typedef {import('/assets/sdk/shopbell.js').Summary} Summary */

export const TABS = ['waiting', 'mine', 'others', 'resolved'];
/** What the server calls the list behind a tab; colleagues' conversations are among all claimed ones. */
const LISTS = { waiting: 'waiting', mine: 'mine', others: 'claimed', resolved: 'resolved' };
const PAGE = 100;

export class Inbox {
  /** @type {Map<number, Summary>} */ #all = new Map();
  /** What has come since each reading began that goes on: a list may be older than it. @type {Set<(() => void)[]>} */ #readings = new Set();
  /** Where each list goes on in the store; absent at its end. @type {Map<string, string>} */ #cursors = new Map();

  /** @param {{client: import('/assets/sdk/shopbell.js').Shopbell, shop: string}} options */
  constructor({ client, shop }) {
    this.client = client;
    this.shop = shop;
  }

  /** Reads every list from its beginning. */
  async load() {
    await this.#read(() => Promise.all(TABS.map((tab) => this.#page(tab))), (pages) => {
      this.#all.clear();
      this.#cursors.clear();
      pages.forEach((page, at) => this.#keep(TABS[at], page));
    });
  }

  async loadMore(tab) {
    await this.#read(() => this.#page(tab, this.#cursors.get(tab)), (page) => this.#keep(tab, page));
  }

  /** What comes while it is read is applied again when it has been taken. */
  async #read(ask, take) {
    /** @type {(() => void)[]} */ const meanwhile = [];
    this.#readings.add(meanwhile);
    try {
      take(await ask());
    } finally {
      this.#readings.delete(meanwhile);
    }
    for (const again of meanwhile) again();
  }

  #happens(again) { for (const meanwhile of this.#readings) meanwhile.push(again); }

  #page(tab, cursor) {
    return this.client.inbox({ shop: this.shop, state: LISTS[tab], cursor, limit: PAGE });
  }

  #keep(tab, { conversations, next }) {
    for (const summary of conversations) this.#all.set(summary.id, summary);
    if (next) this.#cursors.set(tab, next); else this.#cursors.delete(tab);
  }

  /** @param {Summary} summary newer than what is known */
  update(summary) {
    this.#happens(() => this.update(summary));
    const known = this.#all.get(summary.id);
    if (known && (known.claim_version - summary.claim_version || known.last_seq - summary.last_seq) > 0) return known;
    this.#all.set(summary.id, summary);
    return summary;
  }

  /** A message that came or went: its conversation's last one, unread unless seen or one's own. */
  note(message, seen) {
    this.#happens(() => this.note(message, seen));
    const { conversation, seq, from, content, at } = message;
    const known = this.#all.get(conversation);
    if (!known || known.last_seq >= seq) return;
    known.last_seq = seq;
    known.last_message = { seq, from, content, at };
    known.updated_at = at;
    known.unread = from.role !== 'buyer' || seen ? 0 : known.unread + 1;
  }

  /** @param {number} id @param {number} seq up to which it has been seen */
  seen(id, seq) {
    this.#happens(() => this.seen(id, seq));
    const known = this.#all.get(id);
    if (known && known.last_seq <= seq) known.unread = 0;
  }

  get(id) { return this.#all.get(id); }

  /** @param {Summary} summary @returns {string} its tab */
  tabOf(summary) {
    if (summary.state !== 'claimed') return summary.state;
    return summary.claimed_by?.uid === this.me ? 'mine' : 'others';
  }

  /** Whose console this is. */
  get me() { return this.client.welcome.user.uid; }

  /** @returns {Record<string, Summary[]>} every tab's conversations, in no order */
  get tabs() {
    const tabs = Object.fromEntries(TABS.map((tab) => [tab, []]));
    for (const summary of this.#all.values()) tabs[this.tabOf(summary)].push(summary);
    return tabs;
  }

  hasMore(tab) { return this.#cursors.has(tab); }

  /** How many conversations want something of this agent. */
  get calls() {
    const { waiting, mine } = this.tabs;
    return waiting.length + mine.filter(({ unread }) => unread > 0).length;
  }
}

const compare = (a, b) => (a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1);

/** @param {string} tab @param {Summary[]} list @returns {Summary[]} what waits longest first, else the latest activity first */
export function inOrder(tab, list) {
  if (tab === 'waiting') return list.sort((a, b) => compare(a.waiting_since, b.waiting_since) || a.id - b.id);
  return list.sort((a, b) => compare(b.updated_at, a.updated_at) || b.id - a.id);
}
