/**
 * The inbox on screen: tabs with their counts, a search over all of the shop's records, and a row for
 * each conversation. Only what has changed is drawn again: hundreds of rows may stand there.
 */

import { avatar, el, setText } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { line } from '/assets/content.js';
import { inOrder, TABS } from '/assets/console/inbox.js';
import { moment } from '/assets/page.js';

/** Waits of this many seconds are warned of. */
const AMBER_S = 100;
const RED_S = 180;
const SEARCH_AFTER_MS = 250;

/** @typedef {import('/assets/sdk/shopbell.js').Summary} Summary */

/** @param {number} seconds @returns {string} minutes and seconds, then hours: `1:05`, `2 h` */
function waited(seconds) {
  if (seconds >= 3600) return t('hours', { n: Math.floor(seconds / 3600) });
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

export class List {
  /** Rows and what each shows. @type {Map<number, {node: HTMLElement, shows: string, since: string|null}>} */ #rows = new Map();
  /** The rows that can be seen: clocks beyond stand still. @type {Set<Element>} */ #inView = new Set();
  tab = 'waiting';
  opened = 0;
  /** What was found of what is looked for; null while nothing is. @type {Summary[]|null} */ #found = null;
  #searches = 0;
  #searchTimer = 0;
  #search = el('input', { type: 'search' });
  #tabs = el('div.tabs', { role: 'tablist' });
  #list = el('div.list', { role: 'tabpanel', tabindex: '-1' });
  #watch = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) if (isIntersecting) this.#inView.add(target); else this.#inView.delete(target);
    this.tick();
  }, { root: this.#list });

  /**
   * @param {object} options
   * @param {import('/assets/console/inbox.js').Inbox} options.inbox
   * @param {(text: string) => Promise<Summary[]>} options.search over everything, not only what is loaded
   * @param {(summary: Summary) => void} options.onOpen
   */
  constructor({ inbox, search, onOpen }) {
    Object.assign(this, { inbox, search, onOpen });
    this.root = el('div.inbox', {}, el('div.search', {}, this.#search), this.#tabs, this.#list);
    for (const tab of TABS) {
      this.#tabs.append(el('button', { type: 'button', role: 'tab', 'data-tab': tab, onclick: () => this.show(tab) },
        el('span'), el('b.count')));
    }
    this.#search.addEventListener('input', () => {
      clearTimeout(this.#searchTimer);
      this.#searchTimer = setTimeout(() => this.#look(), SEARCH_AFTER_MS);
    });
  }

  show(tab) {
    this.tab = tab;
    this.#search.value = '';
    this.#found = null;
    this.draw();
  }

  focusSearch() { this.#search.focus(); }

  /** @param {1|-1} step opens the next or the one before */
  move(step) {
    const list = this.#shown(this.inbox.tabs);
    const at = list.findIndex(({ id }) => id === this.opened);
    const next = list[at < 0 ? 0 : at + step];
    if (!next) return;
    this.onOpen(next);
    this.#rows.get(next.id)?.node.scrollIntoView({ block: 'nearest' });
  }

  async #look() {
    const turn = ++this.#searches;
    const text = this.#search.value.trim();
    const found = text ? await this.search(text).catch(() => []) : null;
    if (turn !== this.#searches) return;
    this.#found = found;
    this.draw();
  }

  /** What the list shows, in order. */
  #shown(tabs) {
    return this.#found ? this.#found.map((summary) => this.inbox.get(summary.id) ?? summary) : inOrder(this.tab, tabs[this.tab]);
  }

  draw() {
    const tabs = this.inbox.tabs;
    this.#search.placeholder = t('search');
    this.#search.setAttribute('aria-label', t('search'));
    for (const button of this.#tabs.children) {
      const { tab } = button.dataset;
      const list = tabs[tab];
      const unread = tab === 'mine' ? list.filter((summary) => summary.unread).length : 0;
      button.setAttribute('aria-selected', String(tab === this.tab && !this.#found));
      button.classList.toggle('calls', tab === 'waiting' ? list.length > 0 : unread > 0);
      setText(button.firstChild, t(`tab_${tab}`));
      setText(button.lastChild, list.length + (this.inbox.hasMore(tab) ? '+' : ''));
    }
    const shown = this.#shown(tabs);
    const items = shown.map((summary) => this.#row(summary));
    if (!items.length) items.push(el('p.none', {}, t(this.#found ? 'search_empty' : `tab_empty_${this.tab}`)));
    if (!this.#found && this.inbox.hasMore(this.tab)) {
      const more = () => this.inbox.loadMore(this.tab).then(() => this.draw());
      items.push(el('button.more', { type: 'button', onclick: more }, t('load_more')));
    }
    putInOrder(this.#list, items);
  }

  /** The clocks of those who wait; once a second. */
  tick() {
    for (const node of this.#inView) this.#tick(node, this.#rows.get(Number(node.dataset.id))?.since);
  }

  /** @param {HTMLElement} node a row @param {string|null|undefined} since when its buyer has been waiting */
  #tick(node, since) {
    if (!since) return;
    const seconds = Math.max(0, Math.floor((this.inbox.client.now - Date.parse(since)) / 1000));
    const clock = node.querySelector('time');
    setText(clock, waited(seconds));
    clock.className = seconds >= RED_S ? 'red' : seconds >= AMBER_S ? 'amber' : '';
  }

  #row(summary) {
    const { id, buyer, last_message: last, unread, state, claimed_by, waiting_since, updated_at } = summary;
    const known = this.#rows.get(id);
    const tab = this.#found ? 'found' : this.tab;
    const shows = JSON.stringify([tab, t('you'), buyer, last, unread, state, claimed_by, waiting_since, updated_at, id === this.opened]);
    if (known?.shows === shows) return known.node;
    const node = known?.node ?? el('button.item', { type: 'button', 'data-id': id, onclick: () => this.onOpen(this.inbox.get(id) ?? this.#found?.find((one) => one.id === id)) });
    const since = state === 'waiting' ? waiting_since : null;
    const name = nameOf(buyer);
    const calls = (tab === 'waiting' || tab === 'mine') && unread > 0;
    const lead = tab === 'others' || (tab === 'found' && state === 'claimed') ? `${nameOf(claimed_by)} · `
      : !last || last.from.role === 'buyer' ? '' : last.from.uid === this.inbox.me ? t('you') : `${nameOf(last.from)}: `;
    node.classList.toggle('opened', id === this.opened);
    node.setAttribute('aria-current', String(id === this.opened));
    node.classList.toggle('unread', calls);
    node.replaceChildren(
      avatar(buyer, name),
      el('span.who', {}, name),
      el('time', {}, since ? '' : moment(updated_at)),
      el('span.last', {}, lead + (last ? line(last.content) : '')),
      calls ? el('b.badge', {}, unread > 99 ? '99+' : String(unread)) : '');
    this.#tick(node, since);
    if (!known) this.#watch.observe(node);
    this.#rows.set(id, { node, shows, since });
    return node;
  }
}

/**
 * Makes these the children of a list. What stands in its place is not touched, and keeps the keyboard's focus; one that comes, goes or moves
 * moves no other.
 * @param {Element} list @param {Element[]} items
 */
export function putInOrder(list, items) {
  const stay = new Set(items);
  for (const node of [...list.children]) if (!stay.has(node)) node.remove();
  let place = list.firstElementChild;
  for (const node of items) {
    if (node === place) {
      place = place.nextElementSibling;
    } else if (node === place?.nextElementSibling) {
      // The one in between has gone further down, and is put there when its turn comes.
      place = node.nextElementSibling;
    } else {
      list.insertBefore(node, place);
    }
  }
}
