/** Five stars below a conversation that has been resolved. */

import { rest } from '/assets/api.js';
import { el, icon } from '/assets/dom.js';
import { t } from '/assets/i18n.js';

/** @param {(score: number) => Promise<any>} rate @returns {HTMLElement} */
export function rating(rate) {
  const box = el('div.rating', { role: 'group', 'aria-label': t('rate_us') }, el('span', {}, t('rate_us')));
  const stars = [1, 2, 3, 4, 5].map((score) => el('button', {
    type: 'button',
    title: t('rate_stars', { n: score }),
    'aria-label': t('rate_stars', { n: score }),
    onclick: () => rate(score).then(() => box.replaceChildren(el('span', { role: 'status' }, t('rated')))),
  }, icon('star')));
  box.append(el('div.stars', {}, ...stars));
  return box;
}

/** @param {number} conversation @param {number} score 1 to 5 @param {string} token */
export const send = (conversation, score, token) => rest('POST', `/conversations/${conversation}/rating`, { token, body: { score } });
