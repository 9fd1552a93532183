/**
 * The languages of the pages, English and Chinese: their words lie in `words/`. The browser's language
 * decides until the reader chooses.
 */

import { CHAT } from '/assets/words/chat.js';

const KEPT = 'shopbell.language';
/** What the server calls a visitor who has no name. */
const UNNAMED = /^Visitor [0-9a-f]{4}$/;

/** Every word that this page has learnt. @type {Record<string, [string, string]>} */
const words = { ...CHAT };

const changes = new EventTarget();
let current = keptLanguage() ?? (navigator.language?.toLowerCase().startsWith('zh') ? 'zh' : 'en');

function keptLanguage() {
  try {
    const kept = localStorage.getItem(KEPT);
    return ['en', 'zh'].includes(kept) ? kept : null;
  } catch {
    return null;
  }
}

/** Adds the words of one page. @param {Record<string, string[]>} more */
export function learn(more) { Object.assign(words, more); }

/** @returns {'en'|'zh'} */
export function language() { return current; }

/** The reader's own way of the present language, such as `en-GB`: how times and numbers are written. @returns {string} */
export function locale() { return navigator.languages?.find((tag) => tag.toLowerCase().startsWith(current)) ?? current; }

/** @param {string} key @param {Record<string, string|number>} [values] for the `{names}` in it */
export function t(key, values = {}) {
  const text = words[key][current === 'zh' ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** What went wrong, in words. @param {{code?: string, message?: string, detail?: {field?: string}}} error */
export function explain(error) {
  if (error.code === 'invalid' && error.detail?.field === 'file') return t('error_file');
  const key = `error_${error.code}`;
  return key in words ? t(key, { message: error.message }) : error.message;
}

/** How to call a user: the name; a visitor without one by the end of the id. */
export function nameOf(user) {
  if (!user) return '';
  if (user.uid?.startsWith('visitor:') && (!user.name || UNNAMED.test(user.name))) return t('visitor', { tail: (user.name || user.uid).slice(-4) });
  return user.name || (user.uid ?? '');
}

/** @param {string} tag of a language, such as `zh-CN`; what is neither is English. It is remembered with `keep`. */
export function setLanguage(tag, keep = false) {
  const next = tag.toLowerCase().startsWith('zh') ? 'zh' : 'en';
  if (keep) try { localStorage.setItem(KEPT, next); } catch { /* private browsing: for this visit only */ }
  if (next === current) return;
  current = next;
  changes.dispatchEvent(new Event('change'));
}

/** @param {() => void} run when the language changes */
export function onLanguage(run) { changes.addEventListener('change', run); }
