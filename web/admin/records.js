/** The shop's conversations with filters; one of them opened shows what was said, to be edited and deleted by admins. */

import { avatar, el } from '/assets/dom.js';
import { view as show, line } from '/assets/content.js';
import { nameOf, t } from '/assets/i18n.js';
import { moment, stamp } from '/assets/page.js';
import { newId } from '/assets/sdk/shopbell.js';
import { exportButton } from '/assets/admin/export.js';
import { listing } from '/assets/admin/listing.js';
import { ask } from '/assets/admin/sheet.js';

const STATES = ['waiting', 'claimed', 'resolved'];
const GONE = ['recalled', 'deleted'];

/** @param {import('/assets/admin/admin.js').View} view */
export function records(view) {
  const id = view.params.get('conversation');
  return id ? record(view, Number(id)) : list(view);
}

function list(view) {
  const { root } = listing({
    view,
    path: `${view.of}/conversations`,
    filters: [
      { name: 'q', label: t('search_name'), type: 'search' },
      { name: 'text', label: t('search_text'), type: 'search' },
      { name: 'state', label: t('state'), options: [['', t('any')], ...STATES.map((state) => [state, t(`state_is_${state}`)])] },
      { name: 'agent', label: t('agent') },
      { name: 'from', label: t('from'), type: 'date' }, { name: 'to', label: t('to'), type: 'date' },
    ],
    onOpen: ({ id }) => view.go('records', { conversation: id }),
    columns: [
      { head: t('buyer'), cell: ({ buyer }) => el('span.person', {}, avatar(buyer, nameOf(buyer)), el('span', {}, nameOf(buyer))) },
      { head: t('state'), cell: ({ state }) => el(`span.chip.${state}`, {}, t(`state_is_${state}`)) },
      { head: t('agent'), cell: ({ claimed_by: by }) => nameOf(by) },
      { head: t('last_message'), wide: true, cell: ({ last_message: last }) => (last ? line(last.content) : '') },
      { head: t('when'), cell: ({ updated_at: at }) => el('time', { datetime: at }, moment(at)) },
    ],
  });
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_records')), exportButton(view, 'messages')), root);
}

function record(view, id) {
  const path = `/conversations/${id}/messages`;
  const admin = view.shop.role === 'admin';
  const rows = el('ol.record');
  const earlier = el('button.more', { type: 'button', hidden: true, onclick: () => read(first) }, t('earlier'));
  const title = el('h2', {}, t('conversation', { n: id }));
  let first = 0;
  let summary = null;

  async function read(before) {
    const { items, more } = await view.api('GET', `${path}?limit=100${before ? `&before=${before}` : ''}`);
    first = items[0]?.seq ?? 0;
    earlier.hidden = !more;
    const drawn = items.map(row);
    if (before) rows.prepend(...drawn); else rows.replaceChildren(...drawn);
  }

  const redo = async (done) => { if (done) await read(0); };

  function row(message) {
    const { seq, from, content, at, edited_at } = message;
    const may = admin && !GONE.includes(content.kind);
    return el('li', { 'data-seq': seq }, el('header', {}, el('b', {}, nameOf(from)), el('small', {}, t(`role_${from.role}`)),
      el('time', { datetime: at }, stamp(at)), edited_at && el('small', {}, t('edited')),
      el('span.does', {},
        may && content.kind === 'text' && el('button.quiet', { type: 'button', 'data-act': 'edit', onclick: () => edit(message) }, t('edit')),
        may && el('button.quiet', { type: 'button', 'data-act': 'delete', onclick: () => remove(message) }, t('delete')))),
      el(`div.said.kind-${/^[a-z]+$/.test(content.kind) ? content.kind : 'unknown'}`, {}, show(content)));
  }

  const edit = ({ seq, content }) => ask({
    title: t('message_edit'), act: t('save'), fields: [{ name: 'text', label: t('text'), type: 'area', value: content.text, attributes: { required: true, maxlength: '4000' } }],
    run: ({ text }) => view.api('PATCH', `${path}/${seq}`, { content: { kind: 'text', text } }),
  }).then(redo);
  const remove = ({ seq }) => ask({
    title: t('message_delete'), line: t('message_delete_line'), act: t('delete'), run: () => view.api('DELETE', `${path}/${seq}`),
  }).then(redo);
  const add = () => ask({
    title: t('message_add'), line: t('message_add_line'), act: t('add'),
    fields: [
      { name: 'as', label: t('message_as'), value: summary.buyer.uid, options: members(summary) },
      { name: 'text', label: t('text'), type: 'area', attributes: { required: true, maxlength: '4000' } },
    ],
    run: ({ as, text }) => view.api('POST', path, { id: newId(), as, content: { kind: 'text', text } }),
  }).then(redo);

  const acts = el('span.does');
  view.api('GET', `/conversations/${id}`).then((found) => {
    summary = found;
    title.textContent = nameOf(found.buyer);
    acts.replaceChildren(el(`span.chip.${found.state}`, {}, t(`state_is_${found.state}`)),
      admin ? el('button.quiet', { type: 'button', 'data-act': 'add', onclick: add }, t('message_add')) : '');
  });
  read(0);
  return el('div', {}, el('header.head', {}, el('a', { href: '#/records' }, t('back')), title, acts), earlier, rows);
}

/** Who may be written for: the buyer, and who answers it. */
function members({ buyer, claimed_by: by }) {
  return [[buyer.uid, nameOf(buyer)], ...(by ? [[by.uid, nameOf(by)]] : [])];
}
