/** A list of the server's, page by page: filters above, a table, and more at the end. */

import { el } from '/assets/dom.js';
import { t } from '/assets/i18n.js';
import { toast } from '/assets/toast.js';
import { explain } from '/assets/i18n.js';

/**
 * @typedef {object} Filter
 * @property {string} name of the query's parameter
 * @property {string} label
 * @property {'text'|'date'|'search'} [type]
 * @property {[string, string][]} [options] value and words, for a choice
 */

/** Days of the calendar, as filters have them, to instants. */
const instant = (day) => (day ? new Date(`${day}T00:00:00`).toISOString() : '');

/**
 * @param {object} options
 * @param {import('/assets/admin/admin.js').View} options.view
 * @param {string} options.path of the list
 * @param {Filter[]} [options.filters]
 * @param {{head: string, cell: (item: any) => Node|string|null, wide?: boolean}[]} options.columns
 * @param {(item: any) => void} [options.onOpen] a row is pressed
 * @param {(page: any) => Node|null} [options.above] what stands over the table, made of the first page
 * @param {string} [options.empty]
 * @returns {{root: HTMLElement, load: () => Promise<void>}}
 */
export function listing({ view, path, filters = [], columns, onOpen, above, empty = t('nothing') }) {
  const body = el('tbody');
  const more = el('button.more', { type: 'button', hidden: true }, t('load_more'));
  const over = el('div');
  const fields = filters.map(({ name, label, type = 'text', options }) => {
    const field = options
      ? el('select', { name }, ...options.map(([value, words]) => el('option', { value }, words)))
      : el('input', { name, type });
    field.value = view.params.get(name) ?? '';
    return el('label', {}, el('span', {}, label), field);
  });
  const form = el('form.filters', { role: 'search' }, ...fields);
  const values = () => Object.fromEntries(new FormData(form));
  /** What no field shows, as a figure's link has it, is kept. */
  const rest = Object.fromEntries([...view.params].filter(([name]) => !filters.some((filter) => filter.name === name)));
  let turn = 0;
  let next = null;

  async function read(cursor) {
    const mine = ++turn;
    const query = new URLSearchParams(rest);
    for (const [name, value] of Object.entries(values())) {
      if (value) query.set(name, filters.find((filter) => filter.name === name)?.type === 'date' ? instant(value) : value);
    }
    if (cursor) query.set('cursor', cursor);
    try {
      const page = await view.api('GET', `${path}?${query}`);
      if (mine !== turn) return;
      next = page.next;
      more.hidden = !next;
      const rows = page.items.map((item) => {
        const open = onOpen && (() => onOpen(item));
        return el(`tr${open ? '.opens' : ''}`, { tabindex: open ? '0' : null, onclick: open, onkeydown: open && ((event) => { if (event.key === 'Enter' && event.target === event.currentTarget) open(); }) },
          ...columns.map(({ cell, wide }) => el(`td${wide ? '.wide' : ''}`, {}, cell(item) ?? '')));
      });
      if (cursor) body.append(...rows);
      else {
        body.replaceChildren(...(rows.length ? rows : [el('tr', {}, el('td.nothing', { colspan: columns.length }, empty))]));
        over.replaceChildren(above?.(page) ?? '');
      }
    } catch (error) {
      toast(explain(error));
    }
  }

  const load = () => read(null);
  more.addEventListener('click', () => read(next));
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', () => { view.filter({ ...rest, ...values() }); load(); });
  const head = el('tr', {}, ...columns.map(({ head: words }) => words ? el('th', { scope: 'col' }, words) : el('td')));
  const root = el('div.listing', {}, filters.length ? form : null, over,
    el('div.scroll', { tabindex: '0', role: 'region', 'aria-label': t('list') }, el('table', {}, el('thead', {}, head), body)), more);
  load();
  return { root, load };
}
