/** Canned replies: the shop's, which admins write, and one's own. */

import { el } from '/assets/dom.js';
import { t } from '/assets/i18n.js';
import { listing } from '/assets/admin/listing.js';
import { ask } from '/assets/admin/sheet.js';

/** @param {import('/assets/admin/admin.js').View} view */
export function replies(view) {
  const path = `${view.of}/replies`;
  const leads = view.shop.role === 'admin';
  const fields = (reply = {}) => [
    { name: 'shortcut', label: t('shortcut'), value: reply.shortcut, hint: t('shortcut_hint'), attributes: { required: true, autocapitalize: 'none' } },
    { name: 'group', label: t('group'), value: reply.group },
    { name: 'text', label: t('text'), type: 'area', value: reply.text, hint: t('placeholders_hint', { open: '{', close: '}' }), attributes: { required: true } },
  ];
  const body = ({ shortcut, group, text, own }) => ({ shortcut, text, group: group || null, ...(own !== undefined && { own }) });
  const mayChange = (reply) => leads || reply.own;
  const add = () => ask({
    title: t('reply_add'),
    act: t('add'),
    fields: [...fields(), ...(leads ? [{ name: 'own', label: t('reply_own'), type: 'check' }] : [])],
    run: (values) => view.api('POST', path, body({ own: true, ...values })),
  }).then((done) => done && list.load());
  const change = (reply) => mayChange(reply) && ask({
    title: t('reply_change'), act: t('save'), fields: fields(reply), run: (values) => view.api('PATCH', `${path}/${reply.id}`, body(values)),
  }).then((done) => done && list.load());
  const remove = (reply) => ask({
    title: t('reply_remove', { name: reply.shortcut }), act: t('remove'), run: () => view.api('DELETE', `${path}/${reply.id}`),
  }).then((done) => done && list.load());
  const list = listing({
    view,
    path,
    empty: t('reply_none'),
    filters: [{ name: 'q', label: t('search_text'), type: 'search' }],
    onOpen: change,
    columns: [
      { head: t('shortcut'), cell: ({ shortcut }) => el('code', {}, `/${shortcut}`) },
      { head: t('group'), cell: ({ group }) => group ?? '' },
      { head: t('text'), wide: true, cell: ({ text }) => text },
      { head: '', cell: (reply) => el('span.does', {}, reply.own && el('span.chip', {}, t('own')),
        mayChange(reply) && el('button.quiet', { type: 'button', onclick: (event) => { event.stopPropagation(); remove(reply); } }, t('remove'))) },
    ],
  });
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_replies')), el('button.main', { type: 'button', onclick: add }, t('reply_add'))), list.root);
}
