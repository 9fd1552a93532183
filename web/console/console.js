/**
 * The agent's console: sign in, the shop's conversations, and the desk where one of them is answered.
 * The login belongs to the tab, so that two agents can sit side by side in one browser.
 */

import { Shopbell } from '/assets/sdk/shopbell.js';
import { rest } from '/assets/api.js';
import * as bell from '/assets/bell.js';
import * as alerts from '/assets/console/alerts.js';
import { Desk } from '/assets/console/desk.js';
import { avatar, el, setText } from '/assets/dom.js';
import { AGENT } from '/assets/words/agent.js';
import { explain, learn, nameOf, t } from '/assets/i18n.js';
import { translatePage } from '/assets/page.js';
import { Inbox } from '/assets/console/inbox.js';
import { List } from '/assets/console/list.js';
import { Gate } from '/assets/gate.js';
import { line } from '/assets/content.js';
import { ROOM_EVENTS } from '/assets/room.js';
import { onTabs, tellTabs } from '/assets/tabs.js';
import { toast } from '/assets/toast.js';

learn(AGENT);

const KEPT = 'shopbell.agent';
/** In a busy shop the list is drawn this often, for all that has come. */
const DRAW_EVERY_MS = 100;
const $ = (id) => document.getElementById(id);

/** The console of who is signed in; null before. @type {Console|null} */
let shown = null;

class Console {
  /** @type {Inbox} */ inbox;
  /** @type {List} */ list;
  /** @type {Desk} */ desk;
  /** @type {object|null} the shop of the list: {shop, name, role, status} */ shop = null;
  #drawing = 0;
  #drawnAt = 0;

  constructor(token) {
    this.token = token;
    this.client = new Shopbell({ token });
    const { client } = this;
    client.addEventListener('state', ({ detail }) => this.#connection(detail.state));
    client.addEventListener('welcome', ({ detail }) => this.#welcomed(detail));
    client.addEventListener('conversation', ({ detail }) => this.#changed(detail));
    client.addEventListener('message', ({ detail }) => {
      this.inbox?.note(detail, this.desk.isShowing(detail.conversation));
      this.#alert(detail);
      this.draw();
    });
    client.addEventListener('notice', ({ detail }) => { if (detail.code === 'resync') this.#reload(); });
    client.addEventListener('presence', ({ detail }) => {
      if (detail.uid && !detail.status) this.desk?.onPresence(detail);
      if (detail.uid !== client.welcome.user.uid || !detail.status || !this.shop) return;
      this.shop.status = detail.status;
      this.draw();
    });
    client.addEventListener('page', ({ detail }) => this.desk?.onPage(detail, this.inbox.get(detail.conversation)?.claim_version));
    for (const type of ROOM_EVENTS) client.addEventListener(type, ({ detail }) => this.desk?.on(detail));
    client.connect();
  }

  #connection(state) {
    $('net').textContent = { waiting: t('offline'), connecting: t('connecting') }[state] ?? '';
    if (state === 'refused') signOut(t('login_ended'));
  }

  #welcomed({ user, shops }) {
    if (!shops.length) return signOut(t('login_no_shop', { name: nameOf(user) }));
    gate.open();
    bell.prepare();
    $('console').hidden = false;
    $('me').replaceChildren(avatar(user, nameOf(user)), el('span', {}, nameOf(user)));
    const select = $('shop');
    select.replaceChildren(...shops.map(({ shop, name }) => el('option', { value: shop }, name || shop)));
    select.hidden = shops.length < 2;
    $('shop-name').hidden = !select.hidden;
    const again = shops.find(({ shop }) => shop === this.shop?.shop);
    if (again) {
      this.shop = again;
      this.#reload();
    } else {
      this.choose(shops[0]);
    }
    select.value = this.shop.shop;
  }

  /** Shows a shop's conversations. */
  choose(shop) {
    this.shop = shop;
    this.inbox = new Inbox({ client: this.client, shop: shop.shop });
    this.list = new List({
      inbox: this.inbox,
      search: (text) => this.#search(text),
      onOpen: (summary) => this.open(summary),
    });
    this.desk = new Desk({
      client: this.client,
      token: this.token,
      shop,
      onUpdate: (summary) => this.#took(summary),
      onSeen: (id) => this.#seen(id),
      onSent: (message) => { this.inbox.note(message, true); this.draw(); },
      onClose: () => this.open(null),
    });
    $('side').replaceChildren(this.list.root);
    $('desk').replaceChildren(this.desk.root);
    $('shop-name').textContent = shop.name || shop.shop;
    this.open(null);
    this.#reload();
  }

  /** Calls for what a buyer has said where nobody looks. */
  #alert({ conversation, from, content, redelivered }) {
    if (from.role !== 'buyer' || redelivered || this.desk.isShowing(conversation)) return;
    const onClick = () => { const summary = this.inbox.get(conversation); if (summary) this.open(summary); };
    alerts.call({ title: nameOf(from), body: line(content), tag: `shopbell-${conversation}`, onClick });
  }

  /** By the buyer's name or id, and by what was said. */
  async #search(text) {
    const of = (filter) => rest('GET', `/shops/${encodeURIComponent(this.shop.shop)}/conversations?${filter}=${encodeURIComponent(text)}&limit=50`, { token: this.token });
    const found = await Promise.all([of('q'), of('text').catch(() => ({ items: [] }))]);
    return [...new Map(found.flatMap(({ items }) => items).map((summary) => [summary.id, summary])).values()];
  }

  /** Keys that spare the mouse: C claims, J and K go through the list, / searches. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select, dialog')) return;
    const act = { c: () => this.desk.claim(), j: () => this.list.move(1), k: () => this.list.move(-1), '/': () => this.list.focusSearch() }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  async #reload() {
    try {
      await this.inbox.load();
      this.desk.reload(this.inbox);
      this.draw();
    } catch (error) {
      if (error.code !== 'closed') toast(explain(error));
    }
  }

  open(summary) {
    this.list.opened = summary?.id ?? 0;
    $('console').classList.toggle('reading', Boolean(summary));
    this.desk.open(summary);
    this.#draw();
  }

  /** What is on screen here is not unread, nor in this agent's other tabs. */
  #seen(id) {
    const seq = this.inbox.get(id)?.last_seq ?? 0;
    this.inbox.seen(id, seq);
    tellTabs({ uid: this.client.welcome.user.uid, seen: { conversation: id, seq } });
    this.draw();
  }

  /** @param {import('/assets/tabs.js').News} news of another tab */
  hear({ uid, seen, status }) {
    if (uid !== this.client.welcome?.user.uid) return;
    if (seen) this.inbox?.seen(seen.conversation, seen.seq);
    if (status && status.shop === this.shop?.shop) this.shop.status = status.status;
    this.draw();
  }

  /** A conversation as it has become by this agent's own doing. */
  #took(summary) {
    const newest = this.inbox.update(summary);
    this.desk.update(newest);
    if (newest.id === this.list.opened) this.list.tab = this.inbox.tabOf(newest);
    this.draw();
  }

  /** What colleagues and buyers do: the summary comes with every change. */
  #changed({ cause, conversation }) {
    if (conversation.shop !== this.shop?.shop) return;
    const before = this.inbox.get(conversation.id);
    const wasMine = before && this.inbox.tabOf(before) === 'mine';
    const newest = this.inbox.update(conversation);
    const isMine = this.inbox.tabOf(newest) === 'mine';
    if (cause === 'transferred' && isMine && !wasMine) toast(t('handed_to_you'));
    if (wasMine && !isMine && ['transferred', 'released'].includes(cause) && newest.id === this.list.opened) toast(t('taken_away'));
    this.desk.update(newest);
    // It was counted before this screen showed it.
    if (isMine && this.desk.isShowing(newest.id)) this.#seen(newest.id);
    this.draw();
  }

  /** Draws the list soon, once for all that has happened. */
  draw() {
    this.#drawing ||= setTimeout(() => this.#draw(), Math.max(0, this.#drawnAt + DRAW_EVERY_MS - performance.now()));
  }

  #draw() {
    clearTimeout(this.#drawing);
    this.#drawing = 0;
    if (shown !== this || !this.list) return;
    this.#drawnAt = performance.now();
    this.list.draw();
    const { calls } = this.inbox;
    document.title = `${calls ? `(${calls}) ` : ''}${t('console_title')} · Shopbell`;
    $('duty').checked = this.shop.status !== 'away';
    setText($('duty-text'), t(this.shop.status === 'away' ? 'away' : 'on_duty'));
    $('me').title = t(`role_${this.shop.role}`);
  }

  async setDuty(on) {
    const { shop } = this;
    const status = on ? 'online' : 'away';
    try {
      await this.client.status(shop.shop, status);
      shop.status = status;
      tellTabs({ uid: this.client.welcome.user.uid, status: { shop: shop.shop, status } });
    } catch (error) {
      toast(explain(error));
    }
    this.draw();
  }

  close() { this.client.close(); }
}

// Signing in and out ---------------------------------------------------------------------------

const gate = new Gate({ kept: KEPT, title: 'login_title', line: 'login_line', onToken: (token) => { shown = new Console(token); } });
document.body.prepend(gate.root);

function signOut(reason = '') {
  const leaving = shown;
  shown = null;
  leaving?.close();
  document.title = `${t('console_title')} · Shopbell`;
  $('console').hidden = true;
  $('side').replaceChildren();
  $('desk').replaceChildren();
  gate.lock(reason);
}

$('logout').addEventListener('click', () => {
  const { token } = shown;
  signOut();
  rest('POST', '/logout', { token }).catch(() => {});
});
$('duty').addEventListener('change', ({ target }) => {
  alerts.allow();
  shown.setDuty(target.checked);
});
document.addEventListener('keydown', (event) => shown?.key(event));
setInterval(() => shown?.list?.tick(), 1_000);
$('shop').addEventListener('change', ({ target }) => {
  shown.choose(shown.client.welcome.shops.find(({ shop }) => shop === target.value));
});
document.addEventListener('visibilitychange', () => shown?.desk?.look());
onTabs((news) => shown?.hear(news));

translatePage(() => {
  document.title = `${t('console_title')} · Shopbell`;
  shown?.desk?.redraw();
  if (shown?.list) shown.draw();
});

gate.begin();
