/** Who has done what, when, from where, with what was before and after. */

import { el } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { stamp } from '/assets/page.js';
import { exportButton } from '/assets/admin/export.js';
import { listing } from '/assets/admin/listing.js';

/** @param {import('/assets/admin/admin.js').View} view */
export function audit(view) {
  const list = listing({
    view,
    path: `${view.of}/audit`,
    filters: [
      { name: 'by', label: t('audit_by') }, { name: 'what', label: t('audit_what') },
      { name: 'from', label: t('from'), type: 'date' }, { name: 'to', label: t('to'), type: 'date' },
    ],
    columns: [
      { head: t('when'), cell: ({ at }) => el('time', { datetime: at }, stamp(at)) },
      { head: t('audit_by'), cell: ({ by, address }) => el('span.two', {}, el('span', {}, nameOf(by)), el('small', {}, address ?? '')) },
      { head: t('audit_what'), cell: ({ what, subject }) => el('span.two', {}, el('code', {}, what), el('small', {}, subject)) },
      { head: t('audit_change'), wide: true, cell: ({ before, after }) => difference(before, after) },
    ],
  });
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_audit')), exportButton(view, 'audit')), list.root);
}

const words = (value) => (value === null || value === undefined ? '∅' : typeof value === 'object' ? JSON.stringify(value) : String(value));

/** Only what has changed. @param {object|null} before @param {object|null} after */
function difference(before, after) {
  const keys = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const changed = keys.filter((key) => JSON.stringify(before?.[key]) !== JSON.stringify(after?.[key]));
  return el('dl.change', {}, ...changed.flatMap((key) => [el('dt', {}, key),
    el('dd', {}, before && el('del', {}, words(before[key])), after && el('ins', {}, words(after[key])))]));
}
