/**
 * What `<script async src="…/widget.js" data-shop="acme"></script>` does: puts the widget on the page, and
 * answers `shopbell('open')` and its like, those called before this was loaded too.
 */

import { setLanguage } from '/assets/i18n.js';
import { Widget } from '/assets/widget/element.js';

const NAME = 'shopbell-widget';
const METHODS = ['open', 'close', 'toggle', 'setUser', 'setAttributes', 'setLocale', 'reset', 'send'];

/** @param {DOMStringMap} options of the script's `data-…` */
function boot({ shop, title, position, theme, color, locale }) {
  if (!shop) return console.error('shopbell: the script has no data-shop');
  if (customElements.get(NAME)) return;
  customElements.define(NAME, Widget);
  if (locale) setLanguage(locale);
  const widget = new Widget({ shop, title, position, theme, color });
  const early = window.shopbell?.q ?? [];
  const call = (method, ...values) => {
    if (!METHODS.includes(method)) throw new TypeError(`shopbell: no method ${method}`);
    return method === 'setLocale' ? setLanguage(...values) : widget[method](...values);
  };
  window.shopbell = Object.assign(call, Object.fromEntries(METHODS.map((method) => [method, (...values) => call(method, ...values)])));
  document.body.append(widget);
  for (const [method, ...values] of early) call(method, ...values);
  document.dispatchEvent(new CustomEvent('shopbell:ready'));
}

const { dataset } = document.currentScript;
if (document.body) boot(dataset); else document.addEventListener('DOMContentLoaded', () => boot(dataset));
