/** Search over everything that was said in the shop. */

import { el } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { stamp } from '/assets/page.js';
import { line } from '/assets/content.js';
import { listing } from '/assets/admin/listing.js';

/** @param {import('/assets/admin/admin.js').View} view */
export function messages(view) {
  if (!view.params.get('q')) view.filter({});
  const { root } = listing({
    view,
    path: `${view.of}/messages`,
    empty: t('search_begin'),
    filters: [
      { name: 'q', label: t('search_text'), type: 'search' }, { name: 'uid', label: t('uid') },
      { name: 'from', label: t('from'), type: 'date' }, { name: 'to', label: t('to'), type: 'date' },
    ],
    onOpen: ({ conversation }) => view.go('records', { conversation }),
    columns: [
      { head: t('when'), cell: ({ at }) => el('time', { datetime: at }, stamp(at)) },
      { head: t('from_whom'), cell: ({ from }) => nameOf(from) },
      { head: t('text'), wide: true, cell: ({ content, marks }) => found(content, marks) },
    ],
  });
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_messages'))), root);
}

/** Every field that has what was looked for. @param {Record<string, [number, number][]>} marks by field of the content */
function found(content, marks) {
  const fields = Object.keys(marks).filter((field) => typeof content[field] === 'string');
  if (!fields.length) return line(content);
  return el('span', {}, ...fields.flatMap((field, at) => [at ? ' · ' : '', marked(content[field], marks[field])]));
}

/** @param {string} text @param {[number, number][]} [marks] where what was looked for stands, in characters (code points) */
function marked(text, marks = []) {
  const letters = [...text];
  const node = el('span.text');
  let from = 0;
  for (const [start, end] of marks) {
    node.append(letters.slice(from, start).join(''), el('mark', {}, letters.slice(start, end).join('')));
    from = end;
  }
  node.append(letters.slice(from).join(''));
  return node;
}
