/**
 * The conversations of one shop as an agent sees them: kept up to date by events, sorted into tabs,
 * drawn as a list.
 */

import { avatar, el } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { moment } from '/assets/page.js';
import { line } from '/assets/content.js';

/** @typedef {import('/assets/sdk/shopbell.js').Summary} Summary */

export const TABS = ['waiting', 'mine', 'others', 'resolved'];
/** What the server calls the list behind a tab; colleagues' conversations are among all claimed ones. */
const LISTS = { waiting: 'waiting', mine: 'mine', others: 'claimed', resolved: 'resolved' };
const PAGE = 100;

export class Inbox {
  /** @type {Map<number, Summary>} */ #all = new Map();
  /** Where each list goes on in the store; absent at its end. @type {Map<string, string>} */ #cursors = new Map();

  /** @param {{client: import('/assets/sdk/shopbell.js').Shopbell, shop: string}} options */
  constructor({ client, shop }) {
    this.client = client;
    this.shop = shop;
  }

  /** Reads every list from its beginning. */
  async load() {
    const pages = await Promise.all(TABS.map((tab) => this.#page(tab)));
    this.#all.clear();
    this.#cursors.clear();
    pages.forEach((page, at) => this.#keep(TABS[at], page));
  }

  async loadMore(tab) {
    this.#keep(tab, await this.#page(tab, this.#cursors.get(tab)));
  }

  #page(tab, cursor) {
    return this.client.inbox({ shop: this.shop, state: LISTS[tab], cursor, limit: PAGE });
  }

  #keep(tab, { conversations, next }) {
    for (const summary of conversations) this.#all.set(summary.id, summary);
    if (next) this.#cursors.set(tab, next); else this.#cursors.delete(tab);
  }

  /** @param {Summary} summary newer than what is known */
  update(summary) {
    const known = this.#all.get(summary.id);
    if (known && known.claim_version > summary.claim_version) return known;
    this.#all.set(summary.id, summary);
    return summary;
  }

  /** A message that came or went: its conversation's last one, unread unless seen or one's own. */
  note({ conversation, seq, from, content, at }, seen) {
    const known = this.#all.get(conversation);
    if (!known || known.last_seq >= seq) return;
    known.last_seq = seq;
    known.last_message = { seq, from, content, at };
    known.updated_at = at;
    known.unread = from.role !== 'buyer' || seen ? 0 : known.unread + 1;
  }

  seen(id) {
    const known = this.#all.get(id);
    if (known) known.unread = 0;
  }

  get(id) { return this.#all.get(id); }

  /** @param {Summary} summary @returns {string} its tab */
  tabOf(summary) {
    if (summary.state !== 'claimed') return summary.state;
    return summary.claimed_by?.uid === this.client.welcome.user.uid ? 'mine' : 'others';
  }

  /** @returns {Summary[]} what waits longest first, else the latest activity first */
  list(tab) {
    const of = [...this.#all.values()].filter((summary) => this.tabOf(summary) === tab);
    if (tab === 'waiting') return of.sort((a, b) => compare(a.waiting_since, b.waiting_since) || a.id - b.id);
    return of.sort((a, b) => compare(b.updated_at, a.updated_at) || b.id - a.id);
  }

  hasMore(tab) { return this.#cursors.has(tab); }

  /** How many conversations want something of this agent. */
  get calls() {
    return this.list('waiting').length + this.list('mine').filter(({ unread }) => unread > 0).length;
  }
}

const compare = (a, b) => (a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1);

export class InboxView {
  /** @type {Map<number, HTMLElement>} */ #rows = new Map();
  tab = 'waiting';
  opened = 0;
  #tabs = el('div.tabs', { role: 'tablist' });
  #list = el('div.list', { role: 'tabpanel' });

  /** @param {Inbox} inbox @param {(summary: Summary) => void} onOpen */
  constructor(inbox, onOpen) {
    this.inbox = inbox;
    this.onOpen = onOpen;
    this.root = el('div.inbox', {}, this.#tabs, this.#list);
    for (const tab of TABS) {
      this.#tabs.append(el('button', { type: 'button', role: 'tab', 'data-tab': tab, onclick: () => this.show(tab) },
        el('span'), el('b.count')));
    }
  }

  show(tab) {
    this.tab = tab;
    this.draw();
  }

  draw() {
    for (const button of this.#tabs.children) {
      const { tab } = button.dataset;
      const list = this.inbox.list(tab);
      const unread = tab === 'mine' ? list.filter((summary) => summary.unread).length : 0;
      button.setAttribute('aria-selected', String(tab === this.tab));
      button.classList.toggle('calls', tab === 'waiting' ? list.length > 0 : unread > 0);
      button.firstChild.textContent = t(`tab_${tab}`);
      button.lastChild.textContent = list.length + (this.inbox.hasMore(tab) ? '+' : '');
    }
    const items = this.inbox.list(this.tab).map((summary) => this.#row(summary));
    if (!items.length) items.push(el('p.none', {}, t(`tab_empty_${this.tab}`)));
    if (this.inbox.hasMore(this.tab)) {
      const more = () => this.inbox.loadMore(this.tab).then(() => this.draw());
      items.push(el('button.more', { type: 'button', onclick: more }, t('load_more')));
    }
    // Rows that stay in place keep the keyboard's focus.
    const focused = document.activeElement;
    this.#list.replaceChildren(...items);
    if (focused?.isConnected && this.#list.contains(focused)) focused.focus();
  }

  #row(summary) {
    const row = this.#rows.get(summary.id)
      ?? el('button.item', { type: 'button', 'data-id': summary.id, onclick: () => this.onOpen(this.inbox.get(summary.id)) });
    this.#rows.set(summary.id, row);
    const { buyer, last_message: last, unread } = summary;
    const name = nameOf(buyer);
    const quiet = this.tab === 'others' || this.tab === 'resolved';
    const with_ = this.tab === 'others' ? `${nameOf(summary.claimed_by)} · ` : last && last.from.role !== 'buyer' ? t('you') : '';
    row.classList.toggle('opened', summary.id === this.opened);
    row.classList.toggle('unread', !quiet && unread > 0);
    row.replaceChildren(
      avatar(buyer, name),
      el('span.who', {}, name),
      el('time', {}, moment(this.tab === 'waiting' && summary.waiting_since || summary.updated_at)),
      el('span.last', {}, (this.tab === 'waiting' || this.tab === 'resolved' ? '' : with_) + (last ? line(last.content) : '')),
      !quiet && unread > 0 ? el('b.badge', {}, unread > 99 ? '99+' : String(unread)) : '');
    return row;
  }
}
