/**
 * Who the buyer is: whoever the shop's page has signed in, else an anonymous visitor, known again by
 * the token that this browser keeps.
 */

import { rest } from '/assets/api.js';

const RENEW_BEFORE_MS = 7 * 24 * 3_600_000;

/** @typedef {import('/assets/sdk/shopbell.js').TokenSource} TokenSource */

export class Identity {
  /** @type {{token: string, expires_at: string}|null} */ #visitor;
  /** @type {string|TokenSource|null} */ #user = null;

  /** @param {string} shop */
  constructor(shop) {
    this.shop = shop;
    this.key = `shopbell.visitor.${shop}`;
    this.#visitor = this.#kept();
  }

  #kept() {
    try { return JSON.parse(localStorage.getItem(this.key)); } catch { return null; }
  }

  /** What another tab of this browser keeps now. @param {string|null} kept */
  follow(kept) { this.#visitor = kept && JSON.parse(kept); }

  /** Whether there may be a conversation already: a first visitor is made only when the chat is opened. */
  get isKnown() { return Boolean(this.#user || this.#visitor); }

  /** @param {string|TokenSource} token the shop's own, or what fetches one */
  signIn(token) { this.#user = token; }

  /** Nothing of the person remains. */
  forget() {
    this.#user = this.#visitor = null;
    try { localStorage.removeItem(this.key); } catch { /* nothing was kept */ }
  }

  /** @type {TokenSource} */
  token = async (why) => {
    if (this.#user) return typeof this.#user === 'function' ? this.#user(why) : this.#user;
    const refused = why.rejected ? this.#visitor?.token : null;
    if (refused) this.#visitor = null;
    const renew = () => this.#renew(refused);
    if (!lasts(this.#visitor)) await (navigator.locks?.request(this.key, renew) ?? renew());
    return this.#visitor.token;
  };

  /** Of several tabs one makes the visitor, and the others find it. @param {string|null} refused a token that is good no more */
  async #renew(refused) {
    const kept = this.#kept();
    if (kept?.token !== refused && lasts(kept)) {
      this.#visitor = kept;
      return;
    }
    const body = { shop: this.shop };
    const visitor = await rest('POST', '/visitors', { token: this.#visitor?.token, body }).catch((error) => {
      if (error.code !== 'unauthenticated') throw error;
      return rest('POST', '/visitors', { body });
    });
    this.#visitor = visitor;
    try { localStorage.setItem(this.key, JSON.stringify(visitor)); } catch { /* a visitor for this page only */ }
  }
}

const lasts = (visitor) => Boolean(visitor) && Date.parse(visitor.expires_at) - Date.now() > RENEW_BEFORE_MS;
