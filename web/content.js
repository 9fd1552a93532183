/** How the contents of messages look, and how they read in one line (docs/protocol.md, 2.1). */

import { el, fileSize, icon, safeUrl } from '/assets/dom.js';
import { t } from '/assets/i18n.js';

const outside = { target: '_blank', rel: 'noopener noreferrer' };
const URLS = /https?:\/\/[^\s<>"'，。！？）】]+/g;

/** Text with its web addresses as links. */
function text(content) {
  const words = String(content.text ?? '');
  const node = el('div.text');
  let from = 0;
  for (const match of words.matchAll(URLS)) {
    const address = match[0].replace(/[.,;:!?)\]]+$/, '');
    const url = safeUrl(address);
    if (!url) continue;
    node.append(words.slice(from, match.index), el('a', { href: url, ...outside }, address));
    from = match.index + address.length;
  }
  node.append(words.slice(from));
  return node;
}

function image({ url, width, height }) {
  const address = safeUrl(url);
  if (!address) return unknown();
  const picture = el('img', { src: address, alt: t('kind_image'), width, height, referrerpolicy: 'no-referrer' });
  return el('a.picture', { href: address, title: t('open_image'), ...outside }, picture);
}

function file({ url, name, size }) {
  const address = safeUrl(url);
  if (!address) return unknown();
  return el('a.file', { href: address, ...outside }, icon('file'),
    el('span', {}, el('b', {}, name ?? t('kind_file')), size ? el('small', {}, fileSize(size)) : null));
}

/** A product or an order: a picture, a title, a line of facts, and a link where there is one. */
function card({ kind, title, image: picture, url, price, status, amount, id }) {
  const address = safeUrl(url);
  const shown = safeUrl(picture);
  const facts = kind === 'product' ? [price] : [status, amount];
  return el(address ? 'a.card' : 'div.card', address ? { href: address, ...outside } : {},
    shown ? el('img', { src: shown, alt: '', referrerpolicy: 'no-referrer' }) : null,
    el('span', {},
      el('small', {}, kind === 'product' ? t('kind_product') : `${t('kind_order')} ${id ?? ''}`),
      el('b', {}, title ?? id ?? ''),
      el('span', {}, facts.filter((fact) => fact !== undefined && fact !== null).join(' · '))));
}

/** A file on its way to the server. */
function uploading({ name }) {
  return el('div.uploading', {}, el('span', {}, t('uploading', { name })), el('progress', { max: '1', value: '0', 'aria-label': t('uploading', { name }) }));
}

function gone({ kind }) { return el('div.gone', {}, t(`kind_${kind}`)); }
function unknown() { return el('div.gone', {}, t('kind_unknown')); }

const VIEWS = { text, image, file, uploading, product: card, order: card, recalled: gone, deleted: gone };

/** @param {import('/assets/sdk/shopbell.js').Content} content */
export function view(content) {
  return Object.hasOwn(VIEWS, content?.kind) ? VIEWS[content.kind](content) : unknown();
}

/** @param {import('/assets/sdk/shopbell.js').Content} content @returns {string} one line for a list */
export function line(content) {
  switch (content?.kind) {
    case 'text': return content.text ?? '';
    case 'image': return `[${t('kind_image')}]`;
    case 'file': return `[${t('kind_file')}] ${content.name ?? ''}`;
    case 'product':
    case 'order': return `[${t(`kind_${content.kind}`)}] ${content.title ?? ''}`;
    case 'recalled':
    case 'deleted': return t(`kind_${content.kind}`);
    default: return '…';
  }
}
