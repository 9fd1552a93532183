/**
 * The demo shop: a few products, and a buyer's chat beside them. The buyer is an anonymous visitor,
 * known again by the token that this browser keeps.
 */

import { Shopbell } from '/assets/sdk/shopbell.js';
import { rest } from '/assets/api.js';
import { el, icon } from '/assets/dom.js';
import { nameOf, t, translatePage } from '/assets/i18n.js';
import { Room, ROOM_EVENTS } from '/assets/room.js';

const SHOP = { shop: 'demo' };
const KEPT = 'shopbell.visitor';
const RENEW_BEFORE_MS = 7 * 24 * 3_600_000;
const WIDE_PX = 600;
const PRODUCTS = [
  { id: 'teapot', price: '€48.00' },
  { id: 'cups', price: '€22.00' },
  { id: 'tin', price: '€17.50' },
  { id: 'kettle', price: '€64.00' },
];

const chat = document.getElementById('chat');
const launcher = document.getElementById('launcher');
const fold = document.getElementById('fold');
const stateLine = document.getElementById('state');

// The visitor ----------------------------------------------------------------------------------

let visitor = kept();

function kept() {
  try { return JSON.parse(localStorage.getItem(KEPT)); } catch { return null; }
}

/** A kept token while it is good; renewed when it nears its end; a new visitor when there is none. */
async function token({ rejected }) {
  if (rejected) visitor = null;
  if (!visitor || Date.parse(visitor.expires_at) - Date.now() < RENEW_BEFORE_MS) {
    visitor = await rest('POST', '/visitors', { token: visitor?.token, body: SHOP })
      .catch((error) => {
        if (error.code !== 'unauthenticated') throw error;
        return rest('POST', '/visitors', { body: SHOP });
      });
    try { localStorage.setItem(KEPT, JSON.stringify(visitor)); } catch { /* a visitor for this page only */ }
  }
  return visitor.token;
}

// The conversation -----------------------------------------------------------------------------

let place = 0;
let nobody = false;
let unseen = 0;

const client = new Shopbell({ token });
const room = new Room({
  client,
  side: 'buyer',
  to: SHOP,
  token: () => token({ rejected: false }),
  onStored: () => { if (!room.summary) refresh().catch(() => {}); },
});
chat.append(room.thread.root, room.composer.root);

/** Reads the conversation again: at the start, after a reconnection, and when the server says so. */
async function refresh() {
  const { conversations } = await client.inbox();
  const found = conversations.find((summary) => summary.shop === SHOP.shop);
  if (!found) return;
  update(found);
  await room.load();
  look();
}

function update(summary) {
  room.summary = summary;
  if (summary.state === 'claimed') [place, nobody] = [0, false];
  if (summary.state === 'resolved') place = 0;
  drawState();
}

const shown = () => !chat.hidden && document.visibilityState === 'visible';

function look() {
  if (shown()) unseen = 0;
  drawLauncher();
  room.look(shown());
}

for (const type of ROOM_EVENTS) {
  client.addEventListener(type, ({ detail }) => {
    if (room.summary ? detail.conversation === room.summary.id : detail.shop === SHOP.shop) room.on(detail);
  });
}
client.addEventListener('state', drawState);
client.addEventListener('welcome', () => refresh().catch(() => {}));
client.addEventListener('message', ({ detail }) => {
  if (detail.from.role === 'buyer' || shown()) return;
  unseen++;
  drawLauncher();
});
client.addEventListener('conversation', ({ detail }) => {
  if (detail.conversation.shop !== SHOP.shop) return;
  update(detail.conversation);
  look();
});
client.addEventListener('presence', ({ detail }) => {
  if (detail.shop !== SHOP.shop) return;
  nobody = !detail.online;
  drawState();
});
client.addEventListener('notice', ({ detail }) => {
  if (detail.code === 'queue_position') place = detail.position;
  if (detail.code === 'away') nobody = true;
  if (detail.code === 'resync') refresh().catch(() => {});
  drawState();
});
document.addEventListener('visibilitychange', look);

// The page -------------------------------------------------------------------------------------

function stateText() {
  if (client.state === 'refused') return t('refused');
  if (client.state === 'waiting') return t('offline');
  if (client.state === 'connecting' && !room.summary) return t('connecting');
  switch (room.summary?.state) {
    case 'claimed': return t('state_claimed', { name: nameOf(room.summary.claimed_by) || t('agent') });
    case 'resolved': return t('state_resolved');
    case 'waiting':
      if (nobody) return t('state_away');
      if (place === 1) return t('state_next');
      return place ? t('state_place', { n: place }) : t('state_waiting');
    default: return nobody ? t('state_away') : t('state_ready');
  }
}

function drawState() {
  stateLine.textContent = stateText();
  chat.dataset.state = client.online ? room.summary?.state ?? 'new' : 'offline';
}

function drawLauncher() {
  launcher.dataset.unseen = unseen || '';
  document.title = (unseen ? `(${unseen}) ` : '') + t('shop_title');
}

function open(on) {
  chat.hidden = !on;
  launcher.hidden = on;
  launcher.setAttribute('aria-expanded', String(on));
  if (on) {
    client.connect();
    room.thread.toEnd();
  }
  look();
}

function drawProducts() {
  const cards = PRODUCTS.map(({ id, price }) => {
    const title = t(`product_${id}`);
    const picture = `/assets/pictures/${id}.svg`;
    const ask = () => {
      open(true);
      room.post({ kind: 'product', id, title, price, image: location.origin + picture, url: `${location.origin}/demo#${id}` });
      room.composer.focus();
    };
    return el('article.product', { id },
      el('img', { src: picture, alt: '', width: '240', height: '200' }),
      el('h2', {}, title),
      el('p', {}, t(`product_${id}_line`)),
      el('footer', {}, el('b', {}, price), el('button', { type: 'button', onclick: ask }, t('ask_product'))));
  });
  document.getElementById('products').replaceChildren(...cards);
}

launcher.append(icon('chat'));
fold.append(icon('close'));
launcher.addEventListener('click', () => { open(true); room.composer.focus(); });
fold.addEventListener('click', () => open(false));

translatePage(() => {
  drawProducts();
  drawState();
  drawLauncher();
  room.thread.setEmpty(t('chat_empty'));
  room.redraw();
});
open(innerWidth >= WIDE_PX);
