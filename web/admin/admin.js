/**
 * The dashboard: signing in, the shop that is looked at, and its sections, each a module with a function that makes it. The address's
 * hash names section and filters, so that every view can be linked to, from its figures too.
 */

import { rest } from '/assets/api.js';
import { avatar, el } from '/assets/dom.js';
import { Gate } from '/assets/gate.js';
import { explain, learn, nameOf, t } from '/assets/i18n.js';
import { translatePage } from '/assets/page.js';
import { toast } from '/assets/toast.js';
import { ADMIN } from '/assets/words/admin.js';
import { agents } from '/assets/admin/agents.js';
import { audit } from '/assets/admin/audit.js';
import { board } from '/assets/admin/board.js';
import { records } from '/assets/admin/records.js';
import { replies } from '/assets/admin/replies.js';
import { messages } from '/assets/admin/messages.js';
import { settings } from '/assets/admin/settings.js';
import { shops } from '/assets/admin/shops.js';
import { statistics } from '/assets/admin/statistics.js';
import { tickets } from '/assets/admin/tickets.js';

learn(ADMIN);

const KEPT = 'shopbell.admin';
const $ = (id) => document.getElementById(id);

/**
 * @typedef {object} View what a section is given
 * @property {(method: string, path: string, body?: object) => Promise<any>} api below `/api/v1`
 * @property {string} of the shop's own path, `/shops/acme`
 * @property {{shop: string, name: string, role: string}} shop
 * @property {URLSearchParams} params of the address
 * @property {(section: string, params?: object) => void} go
 * @property {(params: object) => void} filter changes the address only
 * @property {(run: () => void, ms: number) => void} every repeats until the section is left, and not while the page is hidden
 */

/** In the order of the menu: who sees it, and what makes it. */
const SECTIONS = {
  board: { roles: ['supervisor', 'admin'], make: board },
  statistics: { roles: ['supervisor', 'admin'], make: statistics },
  records: { roles: ['agent', 'supervisor', 'admin'], make: records },
  messages: { roles: ['agent', 'supervisor', 'admin'], make: messages },
  tickets: { roles: ['agent', 'supervisor', 'admin'], make: tickets },
  agents: { roles: ['admin', 'operator'], make: agents },
  replies: { roles: ['agent', 'supervisor', 'admin'], make: replies },
  settings: { roles: ['admin', 'operator'], make: settings },
  audit: { roles: ['admin', 'operator'], make: audit },
  shops: { roles: ['operator'], make: shops },
};

/** Who is signed in; null before. @type {Dashboard|null} */
let shown = null;

class Dashboard {
  /** What the present section repeats. @type {Set<number>} */ #timers = new Set();
  /** @type {{shop: string, name: string, role: string}[]} */ shops = [];
  /** @type {{shop: string, name: string, role: string}|null} */ shop = null;

  constructor(token) { this.token = token; }

  api = async (method, path, body) => {
    try {
      return await rest(method, path, { token: this.token, body });
    } catch (error) {
      if (error.code === 'unauthenticated' && shown === this) signOut(t('login_ended'));
      throw error;
    }
  };

  async begin() {
    const me = await this.api('GET', '/me');
    this.shops = me.shops.map(({ shop, name, role }) => ({ shop, name, role }));
    if (me.operator) await this.#readShops();
    this.operator = me.operator;
    if (!this.shops.length && !me.operator) return signOut(t('login_no_shop', { name: nameOf(me.user) }));
    gate.open();
    $('dashboard').hidden = false;
    $('me').replaceChildren(avatar(me.user, nameOf(me.user)), el('span', {}, nameOf(me.user)));
    this.choose(sessionStorage.getItem(`${KEPT}.shop`));
  }

  /** An operator manages every shop. */
  async #readShops() {
    let cursor = null;
    do {
      const page = await this.api('GET', `/shops?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      for (const { shop, name } of page.items) {
        if (!this.shops.some((known) => known.shop === shop)) this.shops.push({ shop, name, role: 'operator' });
      }
      cursor = page.next;
    } while (cursor);
  }

  /** @param {string|null} name of the shop; the first without one */
  choose(name) {
    this.shop = this.shops.find(({ shop }) => shop === name) ?? this.shops[0] ?? null;
    if (this.shop) sessionStorage.setItem(`${KEPT}.shop`, this.shop.shop);
    const select = $('shop');
    select.replaceChildren(...this.shops.map(({ shop, name: title }) => el('option', { value: shop }, title || shop)));
    select.hidden = this.shops.length < 2;
    if (this.shop) select.value = this.shop.shop;
    $('shop-name').textContent = this.shop?.name || this.shop?.shop || 'Shopbell';
    $('shop-name').classList.toggle('unseen', !select.hidden);
    this.draw();
  }

  /** The sections that this person may see. */
  get #sections() {
    return Object.keys(SECTIONS).filter((name) => SECTIONS[name].roles.includes(name === 'shops' && this.operator ? 'operator' : this.shop?.role));
  }

  draw() {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    const mine = this.#sections;
    const [asked, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
    const name = mine.includes(asked) ? asked : mine[0];
    $('sections').replaceChildren(...mine.map((section) => el('a', {
      href: `#/${section}`, 'aria-current': section === name ? 'page' : null,
    }, t(`section_${section}`))));
    document.title = `${t(`section_${name}`)} · ${this.shop?.name ?? 'Shopbell'}`;
    const params = new URLSearchParams(name === asked ? query : '');
    const go = (section, values = {}) => { location.hash = `#/${section}?${clean(values)}`; };
    const view = {
      api: this.api, of: `/shops/${encodeURIComponent(this.shop?.shop ?? '')}`, shop: this.shop, params, go,
      filter: (values) => history.replaceState(null, '', `#/${name}?${clean(values)}`),
      every: (run, ms) => this.#timers.add(setInterval(() => { if (document.visibilityState === 'visible') run(); }, ms)),
      reload: () => this.begin(),
    };
    $('section').replaceChildren(SECTIONS[name].make(view));
  }
}

function clean(values) {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== '' && value !== null && value !== undefined));
}

// Signing in and out ---------------------------------------------------------------------------

const gate = new Gate({ kept: KEPT, title: 'admin_login_title', line: 'admin_login_line', onToken: signIn });
document.body.prepend(gate.root);

function signIn(token) {
  const entering = shown = new Dashboard(token);
  entering.begin().catch((error) => { if (shown === entering) signOut(explain(error)); });
}

function signOut(reason = '') {
  shown = null;
  $('dashboard').hidden = true;
  $('section').replaceChildren();
  gate.lock(reason);
}

$('logout').addEventListener('click', () => {
  const { token } = shown;
  signOut();
  rest('POST', '/logout', { token }).catch(() => {});
});
$('shop').addEventListener('change', ({ target }) => shown.choose(target.value));
addEventListener('hashchange', () => { if (shown?.shops) { shown.draw(); $('section').focus(); } });
addEventListener('unhandledrejection', (event) => {
  if (event.reason?.name !== 'ShopbellError') return;
  event.preventDefault();
  if (shown) toast(explain(event.reason));
});

translatePage(() => { if (shown && !$('dashboard').hidden) shown.draw(); });
gate.begin();
