/** A figure on the dashboard: a number, what it counts, and the way to the list behind it. */

import { el } from '/assets/dom.js';
import { locale, t } from '/assets/i18n.js';
import { span } from '/assets/page.js';

/** The list behind a figure, here. @param {string|undefined} path the server's, `/api/v1/shops/acme/tickets?…` */
export const listOf = (path) => (path ? `#/tickets?${new URL(path, location.origin).searchParams}` : null);

const number = (value, options) => new Intl.NumberFormat(locale(), options).format(value);
export const count = (value) => number(value);
export const share = (value) => (value === null ? '–' : number(value, { style: 'percent', maximumFractionDigits: 1 }));
export const time = (ms) => (ms === null ? '–' : span(ms));
export const score = (value) => (value === null ? '–' : `${number(value, { maximumFractionDigits: 2 })} ★`);

/**
 * @param {string} label
 * @param {string} value
 * @param {{path?: string, hint?: string, level?: 'amber'|'red'|''}} [more]
 */
export function tile(label, value, { path, hint, level = '' } = {}) {
  const href = listOf(path);
  const node = el(href ? 'a.tile' : 'div.tile', { href, title: href ? t('show_list') : null }, el('b', {}, value), el('span', {}, label), hint && el('span', {}, hint));
  if (level) node.classList.add(level);
  return node;
}

/** The tiles of a period. @param {any} figures as the server's `total` */
export function tiles({ opened, left_messages, claimed, resolved, messages_in, messages_out, first_response, resolution, wait, within_30s, ratings }) {
  const p90 = ({ p90_ms }) => (p90_ms === null ? '' : t('p90', { time: time(p90_ms) }));
  return el('div.tiles', {},
    tile(t('f_opened'), count(opened.count), { path: opened.tickets }),
    tile(t('f_claimed'), count(claimed.count), { path: claimed.tickets }),
    tile(t('f_resolved'), count(resolved.count), { path: resolved.tickets }),
    tile(t('f_left'), count(left_messages.count), { path: left_messages.tickets }),
    tile(t('f_in'), count(messages_in.messages), { path: messages_in.tickets }),
    tile(t('f_out'), count(messages_out.messages), { path: messages_out.tickets }),
    tile(t('f_wait'), time(wait.median_ms), { path: wait.tickets, hint: p90(wait) }),
    tile(t('f_first'), time(first_response.median_ms), { path: first_response.tickets, hint: p90(first_response) }),
    tile(t('f_resolution'), time(resolution.median_ms), { path: resolution.tickets, hint: p90(resolution) }),
    tile(t('f_within'), share(within_30s.share), { path: within_30s.not_within.tickets, hint: t('f_within_not', { n: count(within_30s.not_within.count) }) }),
    tile(t('f_rating'), score(ratings.average), { path: ratings.tickets, hint: t('f_ratings', { n: count(ratings.count) }) }));
}
