/**
 * Building pages from values: elements, icons, safe links, times. Text enters the page only as text
 * nodes, so that nothing a person writes can become markup.
 */

import { locale } from '/assets/i18n.js';
import { ORIGIN } from '/assets/origin.js';

/**
 * @param {string} tag with classes: `div.row.own`
 * @param {object} [attributes] `onclick` and its like are listeners; null and false are left out
 * @param {...(Node|string|null|false)} children
 */
export function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const node = document.createElement(name);
  node.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false && child !== ''));
  return node;
}

/** Writes only what reads otherwise: the same words written again are laid out again. */
export function setText(node, text) { if (node.textContent !== text) node.textContent = text; }

const ICONS = {
  send: 'M4 12 20 4l-5 16-3.5-6.5zM11.5 13.5 20 4',
  attach: 'M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.8-8.8a3.4 3.4 0 0 1 4.8 4.8l-8.6 8.6a1.7 1.7 0 0 1-2.4-2.4l7.8-7.8',
  image: 'M4 5h16v14H4zM4 16l4.5-4.5L13 16l3-3 4 4M15.5 9.5h.01',
  chat: 'M4 5h16v11H11l-5 4v-4H4z',
  close: 'M6 6l12 12M18 6 6 18',
  back: 'M14 6l-6 6 6 6',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4l2.5 2',
  tick: 'M5 12.5l4 4L18 7',
  ticks: 'M2 12.5l4 4L15 7M11 15l1.5 1.5L22 7',
  smile: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M9 10h.01M15 10h.01M8.5 14a4.5 4.5 0 0 0 7 0',
  sound: 'M5 10v4h3l4 4V6l-4 4zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11',
  mute: 'M5 10v4h3l4 4V6l-4 4zM16 10l5 5M21 10l-5 5',
  undo: 'M9 7 5 11l4 4M5 11h9a5 5 0 0 1 0 10h-2',
  star: 'M12 4l2.4 5.2 5.6.6-4.2 3.8 1.2 5.6L12 16.3 7 19.2l1.2-5.6L4 9.8l5.6-.6z',
  alert: 'M12 4 3 19h18zM12 10v4M12 16.5v.01',
};

/** @param {keyof ICONS} name */
export function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(space, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** @returns {string|null} the address when it is http, https or this server's own file */
export function safeUrl(address) {
  if (typeof address !== 'string') return null;
  if (!/^https?:\/\//i.test(address) && !address.startsWith('/files/')) return null;
  try {
    const url = new URL(address, ORIGIN);
    return ['http:', 'https:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A round picture of a person: the avatar, or the first letter of the name on a colour of its own. */
export function avatar(user, name) {
  const url = safeUrl(user?.avatar);
  const hue = [...(user?.uid ?? name)].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 6, 0);
  const badge = el(`span.avatar.hue-${hue}`, { 'aria-hidden': 'true' }, [...name][0]?.toUpperCase() ?? '?');
  if (url) badge.replaceChildren(el('img', { src: url, alt: '', referrerpolicy: 'no-referrer' }));
  return badge;
}

const sameDay = (a, b) => a.toDateString() === b.toDateString();

/** Every way to write a time that was asked for so far: making one takes longer than drawing a row. @type {Map<string, Intl.DateTimeFormat>} */
const ways = new Map();

/** @param {string} at RFC 3339 @param {Intl.DateTimeFormatOptions} options @returns {string} in the present language */
export function written(at, options) {
  const key = locale() + JSON.stringify(options);
  const way = ways.get(key) ?? new Intl.DateTimeFormat(locale(), options);
  ways.set(key, way);
  return way.format(new Date(at));
}

/** @param {string} at RFC 3339 @returns {string} `14:05` */
export const clock = (at) => written(at, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** @param {string} at RFC 3339 @returns {string} `Friday, 20 November` */
export const day = (at) => written(at, { weekday: 'long', day: 'numeric', month: 'long' });

export function onSameDay(a, b) {
  return sameDay(new Date(a), new Date(b));
}

/** @param {number} bytes @returns {string} `1.4 MB` */
export function fileSize(bytes) {
  const units = ['B', 'kB', 'MB'];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: unit ? 1 : 0 }).format(bytes)} ${units[unit]}`;
}
