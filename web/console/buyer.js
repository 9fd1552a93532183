/** Who the buyer is, beside the conversation: name, id, whether it is here and on which page, and its rounds of service so far. */

import { rest } from '/assets/api.js';
import { avatar, el, icon, safeUrl } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { moment } from '/assets/page.js';

const SHOWN = 20;

export class Buyer {
  /** @type {import('/assets/sdk/shopbell.js').Summary|undefined} */ #shown;
  /** The page that each conversation's buyer looks at, as said under one claim: later ones are said to who has it then. @type {Map<number, {url: string, title: string|null, claim: number}>} */ #pages = new Map();
  /** Who is here, as far as it is known. @type {Map<string, boolean>} */ #here = new Map();
  #now = el('div.now');
  #past = el('ol.past');

  root = el('aside.buyer', { hidden: true });

  /** @param {{shop: string, token: string}} where */
  constructor(where) { this.where = where; }

  /** @param {import('/assets/sdk/shopbell.js').Summary|undefined} summary */
  show(summary) {
    const again = this.#shown?.id === summary?.id;
    const changed = !again || this.#shown?.claim_version !== summary?.claim_version;
    this.#shown = summary;
    this.root.hidden = !summary;
    if (!summary || !changed) return;
    const { buyer, created_at } = summary;
    const name = nameOf(buyer);
    if (!again) this.#past.replaceChildren();
    this.root.replaceChildren(
      avatar(buyer, name), el('h2', {}, name), el('code', { title: buyer.uid }, buyer.uid),
      this.#now, el('p', {}, t('buyer_since', { time: moment(created_at) })),
      el('h3', {}, t('buyer_past')), this.#past);
    this.#drawNow();
    this.#readPast(summary);
  }

  async #readPast({ id, buyer }) {
    const { shop, token } = this.where;
    const query = `buyer=${encodeURIComponent(buyer.uid)}&limit=${SHOWN}`;
    const { items } = await rest('GET', `/shops/${encodeURIComponent(shop)}/tickets?${query}`, { token }).catch(() => ({ items: [] }));
    if (this.#shown?.id === id) this.#past.replaceChildren(...items.map(ticket));
  }

  /**
   * @param {{conversation: number, by: string, url: string, title: string|null}} frame
   * @param {number|undefined} claim the conversation's `claim_version`
   */
  looksAt({ conversation, by, url, title }, claim) {
    this.#pages.set(conversation, { url, title, claim });
    this.isHere({ uid: by, online: true });
  }

  /** @param {{uid: string, online: boolean}} frame */
  isHere({ uid, online }) {
    this.#here.set(uid, online);
    this.#drawNow();
  }

  #drawNow() {
    if (!this.#shown) return;
    const here = this.#here.get(this.#shown.buyer.uid);
    const page = this.#pages.get(this.#shown.id);
    const url = here && page?.claim === this.#shown.claim_version ? safeUrl(page.url) : null;
    this.#now.replaceChildren(
      here === undefined ? '' : el(`span.presence.${here ? 'on' : 'off'}`, {}, t(here ? 'buyer_here' : 'buyer_left')),
      url ? el('a', { href: url, title: url, target: '_blank', rel: 'noopener noreferrer' }, page.title || url) : '');
  }
}

/** One round of service in a line or two. */
function ticket({ number, opened_at, resolved_at, resolved_by, claimed_by, score, comment }) {
  const stars = score && el('span.score', { role: 'img', 'aria-label': t('rate_stars', { n: score }) },
    ...Array.from({ length: score }, () => icon('star')));
  return el('li', {}, el('b', {}, t('ticket', { n: number })), el('time', { datetime: opened_at }, moment(opened_at)),
    el('span', {}, resolved_at ? t('ticket_resolved', { name: nameOf(resolved_by) })
      : claimed_by ? t('chip_claimed', { name: nameOf(claimed_by) }) : t('chip_waiting')),
    stars, comment && el('q', {}, comment));
}
