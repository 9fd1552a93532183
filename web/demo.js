/**
 * The demo shop: a few products, and the widget as any shop's page has it. It asks the widget for two
 * things only: to show a product when somebody asks about it, and to speak the page's language.
 */

import { DEMO } from '/assets/words/demo.js';
import { el } from '/assets/dom.js';
import { language, learn, t } from '/assets/i18n.js';
import { translatePage } from '/assets/page.js';

const WIDE_PX = 600;
const PRODUCTS = [
  { id: 'teapot', price: '€48.00' },
  { id: 'cups', price: '€22.00' },
  { id: 'tin', price: '€17.50' },
  { id: 'kettle', price: '€64.00' },
];

/** Calls wait here until the widget has been loaded. */
window.shopbell ??= function shopbell(...call) { (shopbell.q ??= []).push(call); };

function drawProducts() {
  const cards = PRODUCTS.map(({ id, price }) => {
    const title = t(`product_${id}`);
    const picture = `/assets/pictures/${id}.svg`;
    const product = { id, title, price, image: location.origin + picture, url: `${location.origin}/demo#${id}` };
    const ask = () => {
      window.shopbell('open');
      window.shopbell('send', { kind: 'product', ...product });
    };
    return el('article.product', { id },
      el('img', { src: picture, alt: '', width: '240', height: '200' }),
      el('h2', {}, title),
      el('p', {}, t(`product_${id}_line`)),
      el('footer', {}, el('b', {}, price), el('button', { type: 'button', onclick: ask }, t('ask_product'))));
  });
  document.getElementById('products').replaceChildren(...cards);
}

learn(DEMO);
translatePage(() => {
  document.title = t('shop_title');
  drawProducts();
  window.shopbell('setLocale', language());
});
if (innerWidth >= WIDE_PX) window.shopbell('open');
