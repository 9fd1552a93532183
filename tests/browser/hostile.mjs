// Hostile words through every field that a person or a platform fills, into the widget and the console: none runs, none leaves its box.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { launch, need, url } from './people.mjs';

const RUN = 'window.__ran=1';
const SCRIPTS = [
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
const TRICKS = [
  '\u202Egnp.exe\u202C', '\u2066\u202E evil \u2069', '\u202D\u202E\u202A\u202B', 'مرحبا بالعالم '.repeat(20), '\u200B'.repeat(500), '\u200D\u2060\uFEFFx', 'a\u0300'.repeat(300),
  'Z̴̢͔̦͇͎̝̞͙͖̙̫̲̲̺̗̈́̀̌̔́̐̐̕a̵l̶g̷o̸'.repeat(20), 'W'.repeat(2_000), 'あ'.repeat(2_000), '﷽'.repeat(80), '𒐫'.repeat(80), '🏳️‍🌈'.repeat(200), 'x\n'.repeat(300),
  '\u0001\u0002\u001b[31mred', '\u2028\u2029', '\uFFFE\uFFFF', 'http://' + 'a'.repeat(1_900), 'https://evil.example/' + '%2e%2e/'.repeat(200),
];
const URLS = ['https://evil.example/"onerror="window.__ran=1', 'https://x@evil.example/', 'http://[::1]/', 'https://例え.テスト/', 'HTTPS://EVIL.EXAMPLE/%3Cscript%3E', 'https://evil.example/#<img>'];

/** Contents with a hostile word in one field each; the server refuses some, and then nobody sees them. */
const contents = [
  ...SCRIPTS.concat(TRICKS).map((text) => ({ kind: 'text', text })),
  ...SCRIPTS.map((title) => ({ kind: 'product', id: 'p', title, price: title.slice(0, 60), url: 'https://evil.example/', image: 'https://evil.example/x.png' })),
  ...SCRIPTS.map((title) => ({ kind: 'order', id: title.slice(0, 100), title, status: title.slice(0, 100), amount: title.slice(0, 60) })),
  ...TRICKS.map((text) => ({ kind: 'product', id: 'p', title: text.slice(0, 500), price: text.slice(0, 20) })),
  ...SCRIPTS.concat(TRICKS).map((text) => ({ kind: 'file', url: '/files/00000000000000000000000000000000/x', name: text.slice(0, 200), size: 1 })),
  ...URLS.map((address) => ({ kind: 'image', url: address })), ...URLS.map((address) => ({ kind: 'product', id: 'p', title: 't', url: address, image: address })),
  ...SCRIPTS.map((address) => ({ kind: 'image', url: address })),
];

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
function signed(sub, name, avatar) {
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, name, avatar, exp: Math.floor(Date.now() / 1000) + 900 })}`;
  return `${text}.${createHmac('sha256', need('SHOPBELL__AUTH__SECRET')).update(text).digest('base64url')}`;
}
async function api(method, path, token, body) {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  const answer = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, answer: await answer.json().catch(() => null) };
}

const browser = await launch();
const faults = [];
async function openPage(name, viewport) {
  const page = await (await browser.newContext({ locale: 'en-GB', viewport })).newPage();
  page.setDefaultTimeout(20_000);
  page.on('dialog', (dialog) => { faults.push(`${name}: a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('pageerror', (error) => faults.push(`${name}: ${error.message}`));
  page.on('framenavigated', (frame) => { if (frame === page.mainFrame() && !frame.url().startsWith(url)) faults.push(`${name}: went to ${frame.url()}`); });
  return page;
}

/** What in the page, shadow roots included, is wider than the box it belongs to, or ran. */
const look = (page, boxes) => page.evaluate((selectors) => {
  const found = window.__ran ? ['a payload ran'] : [];
  const roots = [document, ...[...document.querySelectorAll('*')].filter((node) => node.shadowRoot).map((node) => node.shadowRoot)];
  for (const root of roots) {
    if (root.querySelector('[onerror], [onload], [onfocus], iframe, object, embed, base, a[href^="javascript:" i], style, script:not([src])')) found.push('markup became an element');
    for (const selector of selectors) {
      for (const box of root.querySelectorAll(selector)) {
        if (box.scrollWidth > box.clientWidth + 1) found.push(`${selector} is ${box.scrollWidth} wide in ${box.clientWidth}`);
        const { left, right } = box.getBoundingClientRect();
        for (const row of box.querySelectorAll('.row, .item, .bubble, .name')) {
          const inner = row.getBoundingClientRect();
          if (inner.width && (inner.left < left - 1 || inner.right > right + 1)) found.push(`${row.className} leaves ${selector}: ${row.textContent.slice(0, 40)}`);
        }
      }
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
  return found;
}, boxes);

/** Scrolls up until the whole history is there. */
async function readsBack(page) {
  const earlier = page.locator('.earlier');
  while (await earlier.isVisible()) {
    await page.locator('.thread').evaluate((thread) => { thread.scrollTop = thread.scrollTop > 1 ? 0 : 2; });
    await page.waitForTimeout(50);
  }
}

let doing = 'starting';
try {
  const buyer = await openPage('widget', { width: 390, height: 800 });
  const uid = `hostile-${Date.now()}`;
  const token = signed(uid, SCRIPTS[1], 'https://evil.example/"onerror="window.__ran=1');
  let stored = 0;
  let refused = 0;
  doing = 'sending';
  for (const [place, content] of contents.entries()) {
    for (;;) {
      const { status, answer } = await api('POST', '/messages', token, { id: `h${place}`, to: { shop: 'demo' }, content });
      if (status === 429) { await new Promise((resolve) => setTimeout(resolve, answer.retry_after_ms ?? 100)); continue; }
      if (status === 201) stored++; else if (status === 400) refused++; else throw new Error(`${status} ${JSON.stringify(answer)}`);
      break;
    }
  }
  assert.ok(contents.length >= 200, `${contents.length} payloads`);

  doing = 'the widget';
  await buyer.goto(`${url}/demo`);
  await buyer.evaluate((t) => { window.shopbell('open'); window.shopbell('setUser', { token: t }); }, token);
  await buyer.locator('.row').first().waitFor();
  await readsBack(buyer);
  assert.equal(await buyer.locator('.row').count(), stored);
  assert.deepEqual(await look(buyer, ['.thread', '.chat-head']), []);

  doing = 'the console';
  const agent = await openPage('console', { width: 1300, height: 800 });
  await agent.goto(`${url}/agent`);
  await agent.locator('#login input[name=uid]').fill(need('AGENT_UID'));
  await agent.locator('#login input[name=password]').fill(need('AGENT_PASSWORD'));
  await agent.locator('#login [type=submit]').click();
  await agent.locator('.tabs').waitFor();
  const names = [...SCRIPTS.slice(0, 24), ...TRICKS].map((name) => name.replace(/[\0-\x1f\x7f]/g, ' ').trim().slice(0, 100)).filter(Boolean);
  for (const [place, name] of names.entries()) {
    const { status } = await api('POST', '/messages', signed(`${uid}-${place}`, name), { id: 'n', to: { shop: 'demo' }, content: { kind: 'text', text: name } });
    assert.ok([201, 400].includes(status), `${status} for a name`);
  }
  await agent.locator('.tabs [data-tab=waiting]').click();
  await agent.locator('.item', { hasText: 'onload' }).first().waitFor();
  assert.deepEqual(await look(agent, ['.list', '.desk-head']), []);
  await agent.locator('.search input').fill(uid);
  await agent.locator('.item').first().waitFor();
  const { answer: { items } } = await api('GET', `/shops/demo/conversations?buyer=${uid}`, (await api('POST', '/login', '', { uid: need('AGENT_UID'), password: need('AGENT_PASSWORD') })).answer.token);
  await agent.locator('.search input').fill('');
  await agent.locator(`.item[data-id="${items[0].id}"]`).click();
  await agent.locator('.row').first().waitFor();
  await readsBack(agent);
  assert.deepEqual(await look(agent, ['.thread', '.desk-head', '.buyer', '.list']), []);
  assert.deepEqual(faults, []);
  console.log(`hostile: ${contents.length} payloads (${stored} stored, ${refused} refused), ${names.length} names: none ran, none left its box`);
} catch (error) {
  console.error(`hostile: FAILED while at ${doing}\n${error.stack ?? error}\n${faults.join('\n')}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
