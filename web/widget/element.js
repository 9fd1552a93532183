/**
 * The widget: a button in the corner of the shop's page, and the panel with the chat. A custom element
 * with a shadow root, so that neither page nor widget disturbs the other's styles.
 */

import base from '/assets/base.css' with { type: 'css' };
import chatStyle from '/assets/chat.css' with { type: 'css' };
import style from '/assets/widget/widget.css' with { type: 'css' };
import { acceptDrops } from '/assets/composer.js';
import { view } from '/assets/content.js';
import { el, icon } from '/assets/dom.js';
import { language, onLanguage, t } from '/assets/i18n.js';
import * as bell from '/assets/bell.js';
import { Chat, COUNTED } from '/assets/widget/chat.js';
import { onTabs } from '/assets/tabs.js';
import { Identity } from '/assets/widget/identity.js';
import { rating, send as sendRating } from '/assets/widget/rating.js';

/** @typedef {import('/assets/sdk/shopbell.js').Content} Content */

export class Widget extends HTMLElement {
  /** @type {Identity} */ #identity;
  /** @type {Chat} */ #chat;
  #badge = el('b.badge');
  #launcher = el('button.launcher', { type: 'button', 'aria-expanded': 'false', onclick: () => this.open() }, icon('chat'), this.#badge);
  #title = el('strong');
  #line = el('p', { role: 'status' });
  #sound = el('button.round.sound', { type: 'button', onclick: () => { bell.turn(!bell.isOn()); this.#draw(); } });
  #fold = el('button.round.fold', { type: 'button', onclick: () => this.close() }, icon('close'));
  #above = el('div.above');
  #panel = el('section.chat', { role: 'dialog', hidden: true },
    el('div.chat-head', {}, el('div', {}, this.#title, this.#line), this.#sound, this.#fold));
  /** What the buyer is looking at, to be sent with one click. @type {Content[]} */ #cards = [];
  /** The last conversation and ticket that was rated, or not worth rating. */ #rated = '';

  /** @param {{shop: string, title?: string, position?: string, theme?: string, color?: string}} options */
  constructor({ shop, title = '', position = 'right', theme = 'auto', color = '' }) {
    super();
    Object.assign(this, { shop, named: title });
    const shadow = this.attachShadow({ mode: 'open' });
    shadow.adoptedStyleSheets = [base, chatStyle, style];
    shadow.append(el('div.widget', {}, this.#launcher, this.#panel));
    this.#launcher.classList.add(position === 'left' ? 'left' : 'right');
    this.#panel.classList.add(position === 'left' ? 'left' : 'right');
    if (theme !== 'auto') this.style.colorScheme = theme === 'dark' ? 'dark' : 'light';
    if (CSS.supports('color', color)) {
      this.style.setProperty('--accent', color);
      // White on what is dark, black on what is light.
      this.style.setProperty('--on-accent', 'oklch(from var(--accent) calc((0.65 - l) * 1000) 0 0)');
    }
    this.#identity = new Identity(shop);
    this.#begin();
    acceptDrops(this.#panel, (file) => this.#chat.room.attach(file));
    this.#panel.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.close(); });
    document.addEventListener('visibilitychange', () => this.#look());
    onTabs((news) => this.#chat.hear(news));
    addEventListener('storage', ({ key, newValue }) => { if (key === this.#identity.key) this.#changedElsewhere(newValue); });
    onLanguage(() => this.redraw());
    this.redraw();
    if (this.#identity.isKnown) this.#chat.client.connect();
  }

  // What a page may ask for ------------------------------------------------------------------

  get isOpen() { return !this.#panel.hidden; }

  open() {
    if (this.isOpen) return;
    this.#panel.hidden = false;
    this.#launcher.hidden = true;
    this.#launcher.setAttribute('aria-expanded', 'true');
    this.#chat.client.connect();
    this.#look();
    this.#chat.room.thread.toEnd();
    this.#chat.room.composer.focus();
    bell.prepare();
    this.#tell('open');
  }

  close() {
    if (!this.isOpen) return;
    this.#panel.hidden = true;
    this.#launcher.hidden = false;
    this.#launcher.setAttribute('aria-expanded', 'false');
    this.#look();
    this.#launcher.focus();
    this.#tell('close');
  }

  toggle() { if (this.isOpen) this.close(); else this.open(); }

  /** Signs the buyer in. @param {{token: string|(() => Promise<string>)}} user its token, or what fetches one */
  setUser({ token }) {
    this.#identity.signIn(token);
    this.#restart();
    this.#chat.client.connect();
  }

  /** As when the buyer signs out of the shop: nothing of the person remains, and the chat is folded. */
  reset() {
    this.close();
    this.#identity.forget();
    this.#cards = [];
    this.#restart({ forget: true });
  }

  /** What the buyer is looking at. @param {{product?: object|null, order?: object|null}} what each as in a message's content, without `kind` */
  setAttributes({ product, order }) {
    const card = (kind, fields) => fields && { ...fields, kind };
    this.#cards = [card('product', product), card('order', order)].filter(Boolean);
    this.#drawAbove();
  }

  /** Sends something in the buyer's name, such as a product's card. @param {Content|string} content */
  send(content) {
    this.#chat.client.connect();
    return this.#chat.room.post(typeof content === 'string' ? { kind: 'text', text: content } : content);
  }

  /** Another tab has made the visitor, or has forgotten it: here it is the same. @param {string|null} kept */
  #changedElsewhere(kept) {
    const { isKnown } = this.#identity;
    this.#identity.follow(kept);
    if (isKnown && !this.#identity.isKnown) this.reset();
    else if (!isKnown) this.#chat.client.connect();
  }

  // The chat ---------------------------------------------------------------------------------

  #begin() {
    const chat = this.#chat = new Chat({
      shop: this.shop,
      identity: this.#identity,
      onChange: () => { if (chat === this.#chat) this.#draw(); },
      onMessage: (message) => {
        if (chat !== this.#chat) return;
        if (!message.redelivered && !this.#isLookedAt) bell.ring();
        this.#tell('message', message);
        this.#look();
      },
      onFault: (error) => this.#tell('error', { code: error.code, message: error.message }),
    });
    this.#panel.append(chat.room.thread.root, this.#above, chat.room.composer.root);
  }

  #restart({ forget = false } = {}) {
    const { room } = this.#chat;
    this.#chat.end({ forget });
    room.thread.root.remove();
    room.composer.root.remove();
    this.#begin();
    this.redraw();
  }

  get #isLookedAt() { return this.isOpen && document.visibilityState === 'visible'; }

  #look() {
    this.#chat.look(this.#isLookedAt);
    this.#draw();
  }

  /** @param {string} what @param {any} [detail] dispatched on the document as `shopbell:what` */
  #tell(what, detail = {}) {
    document.dispatchEvent(new CustomEvent(`shopbell:${what}`, { detail }));
  }

  // How it looks -----------------------------------------------------------------------------

  /** Draws everything again, in the present language. */
  redraw() {
    this.lang = language() === 'zh' ? 'zh-CN' : 'en';
    this.#title.textContent = this.named || t('chat');
    this.#panel.setAttribute('aria-label', this.named ? t('chat_with', { shop: this.named }) : t('chat'));
    this.#panel.dataset.drop = t('drop_here');
    this.#fold.title = t('close');
    this.#fold.setAttribute('aria-label', t('close'));
    this.#chat.room.thread.setEmpty(t('chat_hello'), t('chat_empty'));
    this.#chat.room.redraw();
    this.#drawAbove();
    this.#draw();
  }

  #told = 0;

  #draw() {
    const { state, line, unread } = this.#chat;
    this.#panel.dataset.state = state;
    if (this.#line.textContent !== line) this.#line.textContent = line;
    const sound = t(bell.isOn() ? 'sound_on' : 'sound_off');
    if (this.#sound.title !== sound) {
      this.#sound.title = sound;
      this.#sound.setAttribute('aria-label', sound);
      this.#sound.replaceChildren(icon(bell.isOn() ? 'sound' : 'mute'));
    }
    this.#badge.textContent = unread > 99 ? '99+' : unread || '';
    this.#badge.hidden = !unread;
    const label = unread ? t('chat_unread', { n: unread }) : t('chat');
    this.#launcher.title = label;
    this.#launcher.setAttribute('aria-label', label);
    if (unread !== this.#told) {
      this.#told = unread;
      document.title = (unread ? `(${unread}) ` : '') + document.title.replace(COUNTED, '');
      this.#tell('unread', { count: unread });
    }
    this.#drawRating();
  }

  /** The cards that the page offers. */
  #drawAbove() {
    this.#above.replaceChildren(...this.#cards.map((card) => {
      const drop = (run) => () => { this.#cards = this.#cards.filter((other) => other !== card); run?.(); this.#drawAbove(); };
      return el('div.offer', {}, view(card),
        el('button.main', { type: 'button', onclick: drop(() => this.send(card)) }, t(card.kind === 'order' ? 'about_order' : 'looking_at')),
        el('button.round', { type: 'button', 'aria-label': t('close'), onclick: drop() }, icon('close')));
    }));
  }

  #drawRating() {
    const { summary } = this.#chat.room;
    const of = summary?.state === 'resolved' ? `${summary.id}.${summary.last_seq}` : '';
    if (of === this.#rated) return;
    this.#rated = of;
    this.#above.querySelector('.rating')?.remove();
    if (!of) return;
    this.#above.append(rating(async (score) => sendRating(summary.id, score, await this.#identity.token({ rejected: false }))));
  }
}
