// Hostile words through every field that a person or a platform fills, into the widget and the console: none runs, none leaves its box.

import assert from 'node:assert/strict';
import { launch, need, Person, url } from './people.mjs';
import { look, SCRIPTS, TRICKS, URLS, watched } from './payloads.mjs';
import { api, login, signed } from './shop.mjs';

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

const browser = await launch();
const faults = [];

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
  const buyer = await watched(browser, 'widget', { width: 390, height: 800 }, faults);
  const uid = `hostile-${Date.now()}`;
  const token = signed(uid, { name: SCRIPTS[1], avatar: 'https://evil.example/"onerror="window.__ran=1' });
  let stored = 0;
  let refused = 0;
  doing = 'sending';
  for (const [place, content] of contents.entries()) {
    const { status, answer } = await api('POST', '/messages', token, { id: `h${place}`, to: { shop: 'demo' }, content });
    if (status === 201) stored++; else if (status === 400) refused++; else throw new Error(`${status} ${JSON.stringify(answer)}`);
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
  const agent = await watched(browser, 'console', { width: 1300, height: 800 }, faults);
  await agent.goto(`${url}/agent`);
  await new Person('agent', agent).passes(need('AGENT_UID'), need('AGENT_PASSWORD'));
  await agent.locator('.tabs').waitFor();
  const names = [...SCRIPTS.slice(0, 24), ...TRICKS].map((name) => name.replace(/[\0-\x1f\x7f]/g, ' ').trim().slice(0, 100)).filter(Boolean);
  for (const [place, name] of names.entries()) {
    const { status } = await api('POST', '/messages', signed(`${uid}-${place}`, { name }), { id: 'n', to: { shop: 'demo' }, content: { kind: 'text', text: name } });
    assert.ok([201, 400].includes(status), `${status} for a name`);
  }
  await agent.locator('.tabs [data-tab=waiting]').click();
  await agent.locator('.item', { hasText: 'onload' }).first().waitFor();
  assert.deepEqual(await look(agent, ['.list', '.desk-head']), []);
  await agent.locator('.search input').fill(uid);
  await agent.locator('.item').first().waitFor();
  const { answer: { items } } = await api('GET', `/shops/demo/conversations?buyer=${uid}`, await login());
  await agent.locator('.search input').fill('');
  await agent.locator(`.item[data-id="${items[0].id}"]`).click();
  await agent.locator('.row').first().waitFor();
  await readsBack(agent);
  assert.deepEqual(await look(agent, ['.thread', '.desk-head', '.buyer', '.list']), []);

  doing = 'the page that the buyer looks at';
  for (const [place, title] of [...SCRIPTS.slice(0, 6), ...TRICKS.slice(0, 2), 'W'.repeat(400)].entries()) {
    await buyer.evaluate((words) => { document.title = words; window.shopbell('close'); window.shopbell('open'); }, `${place} ${title}`);
    await agent.locator('.buyer .now a', { hasText: `${place} ` }).waitFor();
    assert.deepEqual(await look(agent, ['.buyer', '.now']), []);
  }
  assert.deepEqual(faults, []);
  console.log(`hostile: ${contents.length} payloads (${stored} stored, ${refused} refused), ${names.length} names: none ran, none left its box`);
} catch (error) {
  console.error(`hostile: FAILED while at ${doing}\n${error.stack ?? error}\n${faults.join('\n')}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
