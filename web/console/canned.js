/**
 * Canned replies: a slash at the beginning of what an agent writes opens those whose shortcut, group or
 * text has what follows it. Chosen by arrows and Enter, or by a click.
 */

import { rest } from '/assets/api.js';
import { el } from '/assets/dom.js';

const SHOWN = 8;

/** @typedef {{id: number, group?: string, shortcut: string, text: string, rendered?: string}} Reply */

export class Canned {
  /** @type {Reply[]} */ #all = [];
  /** @type {Reply[]} */ #offered = [];
  #at = 0;
  #input;

  root = el('div.canned', { role: 'listbox', hidden: true });

  /**
   * @param {import('/assets/composer.js').Composer} composer
   * @param {{shop: string, conversation: number, token: string}} where
   */
  constructor(composer, where) {
    this.composer = composer;
    this.where = where;
    this.#input = composer.root.querySelector('textarea');
    composer.root.append(this.root);
    this.#input.addEventListener('input', () => this.#offer());
    this.#input.addEventListener('blur', () => setTimeout(() => this.#hide(), 150));
    // Before the composer's own listener, which would send.
    composer.root.addEventListener('keydown', (event) => this.#key(event), { capture: true });
  }

  /** Reads them anew: an admin may have changed them, and names may have changed. */
  async load() {
    const { shop, conversation, token } = this.where;
    const path = `/shops/${encodeURIComponent(shop)}/replies?conversation=${conversation}&limit=100`;
    this.#all = [];
    let cursor = null;
    do {
      const page = await rest('GET', path + (cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''), { token }).catch(() => ({ items: [], next: null }));
      this.#all.push(...page.items);
      cursor = page.next;
    } while (cursor);
  }

  #offer() {
    const asked = /^\/(\S*)$/.exec(this.#input.value)?.[1].toLowerCase();
    if (asked === undefined) return this.#hide();
    const rank = ({ shortcut, group, text }) => shortcut.toLowerCase().startsWith(asked) ? 0
      : `${group ?? ''} ${text}`.toLowerCase().includes(asked) ? 1 : 2;
    this.#offered = this.#all.filter((reply) => rank(reply) < 2)
      .sort((a, b) => rank(a) - rank(b) || a.shortcut.localeCompare(b.shortcut)).slice(0, SHOWN);
    this.#at = 0;
    this.#draw();
  }

  #draw() {
    this.root.hidden = !this.#offered.length;
    this.root.replaceChildren(...this.#offered.map((reply, at) => el('button.reply', {
      type: 'button', role: 'option', 'aria-selected': String(at === this.#at), onclick: () => this.#take(reply),
    }, el('b', {}, `/${reply.shortcut}`), reply.group && el('small', {}, reply.group), el('span', {}, reply.rendered ?? reply.text))));
  }

  #hide() {
    this.#offered = [];
    this.root.hidden = true;
  }

  #key(event) {
    if (this.root.hidden || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step && !['Enter', 'Tab', 'Escape'].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (step) {
      this.#at = (this.#at + step + this.#offered.length) % this.#offered.length;
      this.#draw();
    } else if (event.key === 'Escape') {
      this.#hide();
    } else {
      this.#take(this.#offered[this.#at]);
    }
  }

  #take(reply) {
    this.#hide();
    this.composer.fill(reply.rendered ?? reply.text);
  }
}
