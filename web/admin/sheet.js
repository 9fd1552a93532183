/** A sheet over the page that asks for something. */

import { el } from '/assets/dom.js';
import { explain, t } from '/assets/i18n.js';

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} [type] of the input; `area` and `check` as well
 * @property {any} [value]
 * @property {[string, string][]} [options]
 * @property {string} [hint]
 * @property {Record<string, any>} [attributes]
 */

/**
 * Asks, until what is asked is done or given up.
 * @param {object} options
 * @param {string} options.title
 * @param {string} [options.line]
 * @param {Field[]} [options.fields]
 * @param {string} options.act the button's words
 * @param {(values: Record<string, any>) => Promise<any>} options.run what the sheet is for; when it is refused the sheet stays and says why
 * @returns {Promise<boolean>} whether it was done
 */
export function ask({ title, line, fields = [], act, run }) {
  const inputs = fields.map((field) => input(field));
  const failure = el('p.failure', { role: 'alert' });
  const go = el('button.main', { type: 'submit' }, act);
  const heading = el('h2', { id: 'sheet-title' }, title);
  const form = el('form', {}, heading, line && el('p', {}, line),
    ...fields.map(({ label, hint, type }, at) => el(`label${type === 'check' ? '.check' : ''}`, {}, el('span', {}, label), inputs[at], hint && el('small', {}, hint))),
    failure, el('footer', {}, el('button.quiet', { type: 'button', onclick: () => dialog.close() }, t('cancel')), go));
  const dialog = el('dialog.sheet', { 'aria-labelledby': 'sheet-title' }, form);
  let done = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    failure.textContent = '';
    const values = Object.fromEntries(fields.map(({ name, type }, at) => [name, type === 'check' ? inputs[at].checked : inputs[at].value.trim()]));
    try {
      await run(values);
      done = true;
      dialog.close();
    } catch (error) {
      failure.textContent = explain(error);
      const wrong = fields.findIndex(({ name }) => error.detail?.field?.split('.')[0] === name);
      inputs[wrong]?.focus();
    }
    go.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => { dialog.remove(); resolve(done); });
  });
}

/** @param {Field} field */
function input({ name, type = 'text', value = '', options, attributes = {} }) {
  if (options) {
    const select = el('select', { name, ...attributes }, ...options.map(([of, words]) => el('option', { value: of }, words)));
    select.value = value;
    return select;
  }
  if (type === 'check') {
    const box = el('input', { name, type: 'checkbox', ...attributes });
    box.checked = Boolean(value);
    return box;
  }
  const field = type === 'area' ? el('textarea', { name, rows: '4', ...attributes }) : el('input', { name, type, autocomplete: 'off', ...attributes });
  field.value = value ?? '';
  return field;
}
