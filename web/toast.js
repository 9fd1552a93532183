/** A short word at the edge of the page that goes away by itself. */

import { el } from '/assets/dom.js';

const SHOWN_MS = 5_000;

/** @param {string} text */
export function toast(text) {
  const node = el('div.toast', {}, text);
  document.getElementById('toasts').append(node);
  setTimeout(() => node.remove(), SHOWN_MS);
}
