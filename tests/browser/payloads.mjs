// Hostile words: scripts, markup, entities, template languages, addresses, and letters that turn, hide, pile up or never end.

import { url } from './server.mjs';

const RUN = 'window.__ran=1';
export const SCRIPTS = [
  `<script>${RUN}</script>`, `<img src=x onerror="${RUN}">`, `<svg onload="${RUN}">`, `<svg><script>${RUN}</script></svg>`,
  `<svg><animate onbegin="${RUN}" attributeName=x dur=1s>`, `<body onload="${RUN}">`, `<iframe srcdoc="<script>parent.__ran=1</script>">`,
  `<iframe src="javascript:parent.__ran=1">`, `<a href="javascript:${RUN}">click</a>`, `<details open ontoggle="${RUN}">`,
  `<input autofocus onfocus="${RUN}">`, `<video><source onerror="${RUN}"></video>`, `<math><mi xlink:href="javascript:${RUN}">x</mi></math>`,
  `<style>@import 'javascript:${RUN}'; * { display: none }</style>`, `<link rel=stylesheet href="data:text/css,*{display:none}">`,
  `<base href="https://evil.example/">`, `<meta http-equiv=refresh content="0;url=https://evil.example/">`, `<form action="https://evil.example/"><button>x`,
  `"><script>${RUN}</script>`, `'><script>${RUN}</script>`, `" onmouseover="${RUN}" x="`, `' autofocus onfocus='${RUN}' x='`, `</title><script>${RUN}</script>`,
  `</textarea><script>${RUN}</script>`, `</style><script>${RUN}</script>`, `<!--><img src=x onerror="${RUN}">-->`, `<![CDATA[<script>${RUN}</script>]]>`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`, `&#60;script&#62;${RUN}&#60;/script&#62;`, `\\u003cscript\\u003e${RUN}\\u003c/script\\u003e`, `%3Cscript%3E${RUN}%3C/script%3E`,
  `\${${RUN}}`, `{{constructor.constructor('${RUN}')()}}`, `<%= ${RUN} %>`, `javascript:${RUN}`, `jav\tascript:${RUN}`, `data:text/html,<script>${RUN}</script>`,
  `<x contenteditable onblur="${RUN}" tabindex=1 id=x>`, `<object data="javascript:${RUN}">`, `<embed src="javascript:${RUN}">`,
  `<template><script>${RUN}</script></template>`, `<slot name="x" onslotchange="${RUN}"></slot>`, `<shopbell-widget onclick="${RUN}"></shopbell-widget>`,
  `<img src="https://evil.example/x.png" srcset="x 1x" onload="${RUN}">`, `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
];
export const TRICKS = [
  '\u202Egnp.exe\u202C', '\u2066\u202E evil \u2069', '\u202D\u202E\u202A\u202B', 'مرحبا بالعالم '.repeat(20), '\u200B'.repeat(500), '\u200D\u2060\uFEFFx', 'a\u0300'.repeat(300),
  'Z̴̢͔̦͇͎̝̞͙͖̙̫̲̲̺̗̈́̀̌̔́̐̐̕a̵l̶g̷o̸'.repeat(20), 'W'.repeat(2_000), 'あ'.repeat(2_000), '﷽'.repeat(80), '𒐫'.repeat(80), '🏳️‍🌈'.repeat(200), 'x\n'.repeat(300),
  '\u0001\u0002\u001b[31mred', '\u2028\u2029', '\uFFFE\uFFFF', 'http://' + 'a'.repeat(1_900), 'https://evil.example/' + '%2e%2e/'.repeat(200),
];
export const URLS = ['https://evil.example/"onerror="window.__ran=1', 'https://x@evil.example/', 'http://[::1]/', 'https://例え.テスト/', 'HTTPS://EVIL.EXAMPLE/%3Cscript%3E', 'https://evil.example/#<img>'];

/**
 * A page that tells of what hostile words have done to it: dialogs, exceptions, going elsewhere.
 * @param {any} browser @param {string} name @param {{width: number, height: number}} viewport @param {string[]} faults what it has come to
 */
export async function watched(browser, name, viewport, faults) {
  const page = await (await browser.newContext({ locale: 'en-GB', viewport })).newPage();
  page.setDefaultTimeout(20_000);
  page.on('dialog', (dialog) => { faults.push(`${name}: a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('pageerror', (error) => faults.push(`${name}: ${error.message}`));
  page.on('framenavigated', (frame) => { if (frame === page.mainFrame() && !frame.url().startsWith(url)) faults.push(`${name}: went to ${frame.url()}`); });
  return page;
}

/** What in the page, shadow roots included, is wider than the box it belongs to, or ran. */
export const look = (page, boxes) => page.evaluate((selectors) => {
  const found = window.__ran ? ['a payload ran'] : [];
  const roots = [document, ...[...document.querySelectorAll('*')].filter((node) => node.shadowRoot).map((node) => node.shadowRoot)];
  for (const root of roots) {
    if (root.querySelector('[onerror], [onload], [onfocus], iframe, object, embed, base, a[href^="javascript:" i], style, script:not([src])')) found.push('markup became an element');
    for (const selector of selectors) {
      for (const box of root.querySelectorAll(selector)) {
        if (box.scrollWidth > box.clientWidth + 1) found.push(`${selector} is ${box.scrollWidth} wide in ${box.clientWidth}`);
        const { left, right } = box.getBoundingClientRect();
        for (const row of box.querySelectorAll('.row, .item, .bubble, .name, .tile, .chip, .said, h2, label')) {
          // What scrolls in a box of its own may be wider than it.
          if (row.closest('.scroll') && !box.closest('.scroll')) continue;
          const inner = row.getBoundingClientRect();
          if (inner.width && (inner.left < left - 1 || inner.right > right + 1)) found.push(`${row.className} leaves ${selector}: ${row.textContent.slice(0, 40)}`);
        }
      }
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
  return found;
}, boxes);
