/** Where a message is written: Enter sends, Shift+Enter breaks the line, files by button or paste. */

import { el, icon } from '/assets/dom.js';
import { t } from '/assets/i18n.js';

const TYPING_EVERY_MS = 3_000;
const TYPING_ENDS_MS = 4_000;
const TEXT_MAX = 4_000;
const HEIGHT_MAX_PX = 140;
const EMOJI = [...'😀😊😂🥰😍😘😉😎🤔😅😢😭😡😱🥳😴👍👎👌🙏👏💪🤝👋❤️💔🎉🎁🔥⭐✅❌📦🚚💰🛒'.matchAll(/\p{Extended_Pictographic}\uFE0F?/gu)].map(([one]) => one);

export class Composer {
  #typingSaidAt = 0;
  #typingTimer = 0;
  #input = el('textarea', { rows: '1', maxlength: String(TEXT_MAX) });
  #picker;
  #attach;
  #emoji = el('div.emoji', { hidden: true, role: 'group' });
  #smile = el('button.smile', { type: 'button', 'aria-expanded': 'false', onclick: () => this.#offerEmoji(this.#emoji.hidden) }, icon('smile'));
  #send = el('button.send', { type: 'submit' }, icon('send'));

  root;

  /**
   * @param {object} on
   * @param {(text: string) => void} on.text
   * @param {(file: File) => void} on.file
   * @param {(typing: boolean) => void} on.typing
   * @param {string} [accept] which files the picker offers
   */
  constructor(on, accept = 'image/*') {
    this.on = on;
    this.accept = accept;
    this.#picker = el('input', { type: 'file', accept, hidden: true });
    this.#attach = el('button.attach', { type: 'button', onclick: () => this.#picker.click() },
      icon(accept === 'image/*' ? 'image' : 'attach'));
    this.root = el('form.composer', {}, this.#emoji, this.#attach, this.#picker, this.#input, this.#smile, this.#send);
    for (const one of EMOJI) {
      this.#emoji.append(el('button', { type: 'button', 'aria-label': one, onclick: () => this.#insert(one) }, one));
    }
    this.#emoji.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.#offerEmoji(false);
      this.focus();
    });
    this.root.addEventListener('submit', (event) => { event.preventDefault(); this.#submit(); });
    this.#input.addEventListener('keydown', (event) => this.#key(event));
    this.#input.addEventListener('input', () => { this.#grow(); this.#typed(); });
    this.#input.addEventListener('paste', (event) => {
      const [file] = event.clipboardData?.files ?? [];
      if (!file) return;
      event.preventDefault();
      this.on.file(file);
    });
    this.#picker.addEventListener('change', () => {
      const [file] = this.#picker.files;
      this.#picker.value = '';
      if (file) this.on.file(file);
    });
    this.relabel();
    this.#grow();
  }

  focus() { this.#input.focus(); }

  /** Replaces what was written. @param {string} text */
  fill(text) {
    this.#input.value = text;
    this.focus();
    this.#grow();
    this.#typed();
  }

  #offerEmoji(on) {
    this.#emoji.hidden = !on;
    this.#smile.setAttribute('aria-expanded', String(on));
    if (on) this.#emoji.firstChild.focus();
  }

  /** Puts text where the caret is. */
  #insert(text) {
    const { selectionStart: from, selectionEnd: to } = this.#input;
    this.#input.setRangeText(text, from, to, 'end');
    this.#offerEmoji(false);
    this.focus();
    this.#grow();
    this.#typed();
  }

  /** Empties it and stops saying that somebody types. */
  reset() {
    this.#input.value = '';
    this.#grow();
    this.#stopTyping();
  }

  relabel() {
    this.#input.placeholder = t('write_message');
    this.#input.setAttribute('aria-label', t('write_message'));
    this.#emoji.setAttribute('aria-label', t('emoji'));
    for (const [button, key] of [[this.#send, 'send'], [this.#smile, 'emoji'], [this.#attach, this.accept === 'image/*' ? 'send_image' : 'send_file']]) {
      button.title = t(key);
      button.setAttribute('aria-label', t(key));
    }
  }

  #key(event) {
    // While an input method composes, Enter chooses a word; keyCode 229 is Safari's way to say so.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#input.value.trim();
    if (!text) return;
    this.reset();
    this.#offerEmoji(false);
    this.on.text(text);
    this.focus();
  }

  #grow() {
    this.#input.style.height = 'auto';
    const height = Math.min(this.#input.scrollHeight, HEIGHT_MAX_PX);
    this.#input.style.height = height ? `${height}px` : '';
    this.#send.disabled = !this.#input.value.trim();
  }

  #typed() {
    clearTimeout(this.#typingTimer);
    if (!this.#input.value) return this.#stopTyping();
    this.#typingTimer = setTimeout(() => this.#stopTyping(), TYPING_ENDS_MS);
    if (Date.now() - this.#typingSaidAt < TYPING_EVERY_MS) return;
    this.#typingSaidAt = Date.now();
    this.on.typing(true);
  }

  #stopTyping() {
    clearTimeout(this.#typingTimer);
    if (!this.#typingSaidAt) return;
    this.#typingSaidAt = 0;
    this.on.typing(false);
  }
}

/** Lets files be dropped anywhere on `area`, which is marked while one hovers. */
export function acceptDrops(area, onFile) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  const mark = (on) => area.classList.toggle('dropping', on);
  area.addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  area.addEventListener('dragleave', (event) => { if (!area.contains(event.relatedTarget)) mark(false); });
  area.addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(false);
    for (const file of event.dataTransfer.files) onFile(file);
  });
}
