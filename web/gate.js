/**
 * Signing in to the console and the dashboard. The login belongs to the tab, so that two people can sit side by side in one browser.
 */

import { rest } from '/assets/api.js';
import { el } from '/assets/dom.js';
import { explain, t } from '/assets/i18n.js';
import { translatePage } from '/assets/page.js';

export class Gate {
  #kept;
  #onToken;
  #failure = el('p.failure', { role: 'alert' });
  #uid = el('input', { name: 'uid', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true });
  #password = el('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  #fresh = el('input', { name: 'fresh', type: 'password', autocomplete: 'new-password', minlength: '8' });
  #freshLabel = el('label', { hidden: true }, el('span', { 'data-t': 'password_new' }), this.#fresh);
  #button = el('button.main', { type: 'submit', 'data-t': 'login' });
  #form;

  /**
   * @param {object} options
   * @param {string} options.kept under which name the tab keeps the token
   * @param {string} options.title and `line`: words above the form
   * @param {string} options.line
   * @param {(token: string) => void} options.onToken somebody is in
   */
  constructor({ kept, title, line, onToken }) {
    this.#kept = kept;
    this.#onToken = onToken;
    this.#form = el('form.sheet', { id: 'login' },
      el('img', { src: '/assets/pictures/bell.svg', alt: '', width: '44', height: '44' }),
      el('h1', { 'data-t': title }), el('p', { 'data-t': line }),
      el('label', {}, el('span', { 'data-t': 'uid' }), this.#uid),
      el('label', {}, el('span', { 'data-t': 'password' }), this.#password),
      this.#freshLabel, this.#failure, this.#button,
      el('footer', {}, el('a', { href: '/demo', 'data-t': 'page_demo' }),
        el('button.quiet', { type: 'button', 'data-language': '', 'data-t': 'lang_switch', 'data-t-label': 'lang_switch_label' })));
    this.root = el('main.gate', { id: 'gate' }, this.#form);
    this.#form.addEventListener('submit', (event) => { event.preventDefault(); this.#submit(); });
  }

  /** Lets in whom the tab remembers; shows the form to anybody else. */
  begin() {
    const token = sessionStorage.getItem(this.#kept);
    this.root.hidden = Boolean(token);
    if (token) this.#onToken(token); else this.#uid.focus();
  }

  /** Shows the form again. @param {string} [reason] */
  lock(reason = '') {
    sessionStorage.removeItem(this.#kept);
    this.root.hidden = false;
    this.#failure.textContent = reason;
    this.#uid.focus();
  }

  open() { this.root.hidden = true; }

  async #submit() {
    const uid = this.#uid.value.trim();
    this.#button.disabled = true;
    this.#button.textContent = t('login_busy');
    this.#failure.textContent = '';
    try {
      let { token, must_change_password: change } = await rest('POST', '/login', { body: { uid, password: this.#password.value } });
      if (change) token = await this.#change(uid, token);
      if (!token) return;
      this.#password.value = this.#fresh.value = '';
      this.#ask(false);
      sessionStorage.setItem(this.#kept, token);
      this.#onToken(token);
    } catch (error) {
      this.#failure.textContent = error.code === 'unauthenticated' ? t('login_wrong') : explain(error);
    } finally {
      this.#button.disabled = false;
      this.#button.textContent = t('login');
    }
  }

  /** The password was set by somebody else: its owner has to choose another. @returns {Promise<string|null>} the token then */
  async #change(uid, token) {
    if (!this.#fresh.value) {
      this.#ask(true);
      return null;
    }
    const password = this.#fresh.value;
    await rest('POST', '/me/password', { token, body: { old: this.#password.value, new: password } });
    return (await rest('POST', '/login', { body: { uid, password } })).token;
  }

  #ask(on) {
    this.#freshLabel.hidden = !on;
    this.#fresh.required = on;
    if (!on) return;
    this.#failure.textContent = t('password_must_change');
    this.#fresh.focus();
  }
}
