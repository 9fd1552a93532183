/** Downloads: the server makes an address that is good once, and the browser fetches it. */

import { el } from '/assets/dom.js';
import { t } from '/assets/i18n.js';
import { ORIGIN } from '/assets/origin.js';
import { ask } from '/assets/admin/sheet.js';

/**
 * @param {import('/assets/admin/admin.js').View} view
 * @param {'messages'|'tickets'|'audit'} what
 */
export function exportButton(view, what) {
  if (!['admin'].includes(view.shop.role)) return null;
  return el('button.quiet', { type: 'button', 'data-act': 'export', onclick: () => ask({
    title: t('export_title'),
    act: t('export_go'),
    fields: [
      { name: 'format', label: t('export_format'), value: 'xlsx', options: [['xlsx', 'Excel (XLSX)'], ['csv', 'CSV'], ['jsonl', 'JSON Lines']] },
      { name: 'from', label: t('from'), type: 'date' }, { name: 'to', label: t('to'), type: 'date' },
    ],
    run: async ({ format, from, to }) => {
      const at = (day) => (day ? new Date(`${day}T00:00:00`).toISOString() : undefined);
      const { url } = await view.api('POST', `${view.of}/exports`, { format, what, from: at(from), to: at(to) });
      const link = el('a', { href: new URL(url, ORIGIN).href, download: '' });
      document.body.append(link);
      link.click();
      link.remove();
    },
  }) }, t('export'));
}
