/** The shop itself: its name, whose pages may include it, when it works, what it keeps, and the erasure of a person's words. */

import { el } from '/assets/dom.js';
import { explain, nameOf, t } from '/assets/i18n.js';
import { ORIGIN } from '/assets/origin.js';
import { toast } from '/assets/toast.js';
import { ask } from '/assets/admin/sheet.js';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** `09:00-12:00, 13:00-18:00` @param {string} text @returns {[string, string][]} */
const spans = (text) => text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => {
  const [from, to] = part.split(/\s*[-–]\s*/);
  return [from, to ?? ''];
});
const days = (text) => (text === '' ? null : Number(text));

/** @param {import('/assets/admin/admin.js').View} view */
export function settings(view) {
  const root = el('div', {}, el('header.head', {}, el('h2', {}, t('section_settings'))));
  Promise.all([view.api('GET', view.of), bots(view)]).then(([shop, all]) => root.append(...parts(view, shop, all)));
  return root;
}

/** The shop's bots. @param {import('/assets/admin/admin.js').View} view @returns {Promise<{uid: string, name: string}[]>} */
async function bots(view) {
  const found = [];
  for (let cursor = ''; cursor !== null;) {
    const { items, next } = await view.api('GET', `${view.of}/agents?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    found.push(...items.filter(({ role, disabled }) => role === 'bot' && !disabled));
    cursor = next;
  }
  return found;
}

function parts(view, shop, itsBots) {
  const admin = view.shop.role === 'admin';
  const text = (name, value, attributes = {}) => {
    const field = el('input', { name, ...attributes });
    field.value = value ?? '';
    return field;
  };
  const row = (label, field, hint) => el('label', {}, el('span', {}, label), field, hint && el('small', {}, hint));
  const origins = el('textarea', { name: 'origins', rows: '3', spellcheck: 'false' });
  origins.value = shop.origins.join('\n');
  const bot = el('select', { name: 'bot' }, el('option', { value: '' }, t('bot_none')), ...itsBots.map((one) => el('option', { value: one.uid }, nameOf(one))));
  if (shop.bot && !itsBots.some(({ uid }) => uid === shop.bot)) bot.append(el('option', { value: shop.bot }, shop.bot));
  bot.value = shop.bot ?? '';
  const zones = el('datalist', { id: 'zones' }, ...Intl.supportedValuesOf('timeZone').map((zone) => el('option', { value: zone })));
  const { hours = {}, retention = {} } = shop;
  const week = DAYS.map((day) => row(t(`day_${day}`), text(day, (hours[day] ?? []).map((span) => span.join('–')).join(', '), { placeholder: t('closed') })));
  const always = el('input', { type: 'checkbox', name: 'always' });
  always.checked = !Object.keys(hours).length;
  const open = el('fieldset', {}, el('legend', {}, t('hours_title')), el('label.check', {}, always, el('span', {}, t('hours_always'))), ...week);
  const mark = () => { for (const label of week) label.hidden = always.checked; };
  always.addEventListener('change', mark);
  mark();
  const form = el('form.settings', {},
    row(t('name'), text('name', shop.name, { required: true })),
    row(t('origins'), origins, t('origins_hint')),
    row(t('time_zone'), text('time_zone', shop.time_zone, { list: 'zones', required: true })), zones,
    open,
    row(t('bot'), bot, t('bot_hint')),
    el('fieldset', {}, el('legend', {}, t('retention_title')),
      row(t('retention_messages'), text('retention_messages', retention.messages, { type: 'number', min: '1' }), t('retention_hint')),
      row(t('retention_files'), text('retention_files', retention.files, { type: 'number', min: '1' }))),
    el('footer', {}, el('button.main', { type: 'submit' }, t('save'))));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const value = (name) => form.elements[name].value.trim();
    const work = always.checked ? {} : Object.fromEntries(DAYS.map((day) => [day, spans(value(day))]).filter(([, list]) => list.length));
    try {
      await view.api('PATCH', view.of, {
        name: value('name'),
        origins: value('origins').split(/\s+/).filter(Boolean),
        time_zone: value('time_zone'),
        hours: work,
        ...((shop.bot ?? '') !== value('bot') && { bot: value('bot') || null }),
        retention: { messages: days(value('retention_messages')), files: days(value('retention_files')) },
      });
      toast(t('saved'));
      view.reload();
    } catch (error) {
      toast(explain(error));
      form.elements[error.detail?.field?.split('.').at(-1)]?.focus();
    }
  });
  return [form, install(shop), ...(admin ? [erase(view)] : [])];
}

/** What goes into the shop's pages. */
function install({ shop }) {
  const snippet = `<script async src="${ORIGIN}/widget.js" data-shop="${shop}"></script>`;
  return el('section.settings', {}, el('h3', {}, t('install')), el('p', {}, t('install_line')), el('pre', { tabindex: '0' }, el('code', {}, snippet)));
}

function erase(view) {
  const button = el('button.quiet.danger', { type: 'button', onclick: () => ask({
    title: t('erase'), line: t('erase_line'), act: t('erase_go'),
    fields: [{ name: 'uid', label: t('uid'), attributes: { required: true } }],
    run: ({ uid }) => view.api('POST', `${view.of}/erase`, { uid }),
  }).then((done) => done && toast(t('erased'))) }, t('erase'));
  return el('section.settings', {}, el('h3', {}, t('erase')), el('p', {}, t('erase_line')), button);
}
