/** Who the buyer is, beside the conversation: name, id, presence, and the rounds of service so far. */

import { rest } from '/assets/api.js';
import { avatar, el, icon } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { moment } from '/assets/page.js';

const SHOWN = 20;

export class Buyer {
  /** The conversation whose buyer is shown. */ #shown = 0;

  root = el('aside.buyer', { hidden: true });

  /** @param {{shop: string, token: string}} where */
  constructor(where) { this.where = where; }

  /** @param {import('/assets/sdk/shopbell.js').Summary|undefined} summary */
  async show(summary) {
    this.root.hidden = !summary;
    if (!summary) return;
    const { buyer, id, created_at } = summary;
    this.#shown = id;
    const name = nameOf(buyer);
    const past = el('ol.past');
    this.root.replaceChildren(
      avatar(buyer, name), el('h2', {}, name), el('code', {}, buyer.uid),
      el('p', {}, t('buyer_since', { time: moment(created_at) })),
      el('h3', {}, t('buyer_past')), past);
    const { shop, token } = this.where;
    const query = `buyer=${encodeURIComponent(buyer.uid)}&limit=${SHOWN}`;
    const { items } = await rest('GET', `/shops/${encodeURIComponent(shop)}/tickets?${query}`, { token }).catch(() => ({ items: [] }));
    if (this.#shown === id) past.replaceChildren(...items.map(ticket));
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
