/** Rounds of service; the list behind every figure. */

import { el } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { span, stamp } from '/assets/page.js';
import { exportButton } from '/assets/admin/export.js';
import { listing } from '/assets/admin/listing.js';

const between = (from, to) => (from && to ? span(Date.parse(to) - Date.parse(from)) : '');

/** @param {import('/assets/admin/admin.js').View} view */
export function tickets(view) {
  const { root } = listing({
    view,
    path: `${view.of}/tickets`,
    filters: [{ name: 'buyer', label: t('buyer') }, { name: 'agent', label: t('agent') }],
    onOpen: ({ conversation }) => view.go('records', { conversation }),
    above: ({ count }) => (count === undefined ? null : el('p.count-line', {}, t('tickets_count', { n: count }))),
    columns: [
      { head: t('opened'), cell: ({ opened_at: at }) => el('time', { datetime: at }, stamp(at)) },
      { head: t('buyer'), cell: ({ buyer }) => nameOf(buyer) },
      { head: t('first_claim'), cell: ({ claimed_by: by }) => nameOf(by) },
      { head: t('first_response'), cell: ({ opened_at, answered_at }) => between(opened_at, answered_at) },
      { head: t('resolution'), cell: ({ opened_at, resolved_at }) => between(opened_at, resolved_at) },
      { head: t('rating'), cell: ({ score, comment }) => (score ? el('span', { title: comment ?? '' }, `${score} ★`) : '') },
      { head: '', cell: ({ left_message: left }) => left && el('span.chip', {}, t('left_message')) },
    ],
  });
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_tickets')), exportButton(view, 'tickets')), root);
}
