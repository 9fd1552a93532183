/**
 * What the server's own pages share: elements with `data-t`, `data-t-placeholder` and `data-t-label` are
 * filled with words, and a button with `data-language` changes the language.
 */

import { clock, onSameDay, written } from '/assets/dom.js';
import { language, learn, onLanguage, setLanguage, t } from '/assets/i18n.js';
import { PAGE } from '/assets/words/page.js';

learn(PAGE);

/** Fills the page's marked elements, now and whenever the language changes; `again` redraws the rest. */
export function translatePage(again = () => {}) {
  const fill = () => {
    document.documentElement.lang = language() === 'zh' ? 'zh-CN' : 'en';
    for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
    for (const node of document.querySelectorAll('[data-t-placeholder]')) node.placeholder = t(node.dataset.tPlaceholder);
    for (const node of document.querySelectorAll('[data-t-label]')) {
      node.setAttribute('aria-label', t(node.dataset.tLabel));
      node.title = t(node.dataset.tLabel);
    }
    again();
  };
  onLanguage(fill);
  for (const button of document.querySelectorAll('[data-language]')) {
    button.addEventListener('click', () => setLanguage(language() === 'zh' ? 'en' : 'zh', true));
  }
  fill();
}

/** @param {string} at RFC 3339 @returns {string} the time if today, else the date */
export function moment(at) {
  return onSameDay(at, new Date()) ? clock(at) : written(at, { day: 'numeric', month: 'short' });
}

/** @param {string} at RFC 3339 @returns {string} date and time to the second */
export const stamp = (at) => written(at, { dateStyle: 'medium', timeStyle: 'medium' });

/** @param {number} ms @returns {string} `42 s`, `3:05`, `2 h 10` */
export function span(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')}`;
}
