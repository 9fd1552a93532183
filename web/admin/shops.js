/** An operator's shops. */

import { el } from '/assets/dom.js';
import { t } from '/assets/i18n.js';
import { moment } from '/assets/page.js';
import { listing } from '/assets/admin/listing.js';
import { ask } from '/assets/admin/sheet.js';

/** @param {import('/assets/admin/admin.js').View} view */
export function shops(view) {
  const changed = (done) => { if (done) view.reload(); };
  const add = () => ask({
    title: t('shop_add'),
    act: t('add'),
    fields: [
      { name: 'shop', label: t('shop_id'), hint: t('shop_id_hint'), attributes: { required: true, autocapitalize: 'none' } },
      { name: 'name', label: t('name'), attributes: { required: true } },
    ],
    run: (values) => view.api('POST', '/shops', values),
  }).then(changed);
  const turn = ({ shop, name, disabled }) => ask({
    title: t(disabled ? 'shop_enable' : 'shop_disable', { name }),
    line: disabled ? '' : t('shop_disable_line'),
    act: t(disabled ? 'enable' : 'disable'),
    run: () => view.api('PATCH', `/shops/${encodeURIComponent(shop)}`, { disabled: !disabled }),
  }).then(changed);
  const list = listing({
    view,
    path: '/shops',
    columns: [
      { head: t('name'), cell: ({ name }) => name },
      { head: t('shop_id'), cell: ({ shop }) => el('code', {}, shop) },
      { head: t('made'), cell: ({ created_at }) => moment(created_at) },
      { head: '', cell: (shop) => el('span.does', {}, shop.disabled && el('span.chip.off', {}, t('disabled')),
        el('button.quiet', { type: 'button', onclick: () => turn(shop) }, t(shop.disabled ? 'enable' : 'disable'))) },
    ],
  });
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_shops')), el('button.main', { type: 'button', onclick: add }, t('shop_add'))), list.root);
}
