// The widget on somebody else's page: another origin, a strict Content-Security-Policy, styles that fight, calls made before it was
// loaded, a buyer who signs in and out.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { launch, need, url } from './people.mjs';

/** A token as the shop's own back end signs it. */
function signed(sub, name) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, name, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${text}.${createHmac('sha256', need('SHOPBELL__AUTH__SECRET')).update(text).digest('base64url')}`;
}

const page = `<!doctype html><html lang="en"><head><title>Elsewhere</title><link rel="stylesheet" href="/hostile.css">
<script src="/early.js"></script><script async src="${url}/widget.js" data-shop="demo" data-title="Elsewhere" data-position="left"></script></head>
<body><h1>A shop elsewhere</h1></body></html>`;
const hostile = `* { font: 60px/3 serif !important; color: red !important; padding: 30px !important; box-sizing: content-box !important;
  position: static !important; float: left !important; text-transform: uppercase !important; direction: rtl !important; }
div, section, button { width: 10px !important; background: lime !important; } textarea { display: none !important; }`;
const early = `window.told = []; window.shopbell = function () { (shopbell.q = shopbell.q || []).push(arguments); };
for (const what of ['ready', 'open', 'close', 'message', 'unread', 'error']) {
  document.addEventListener('shopbell:' + what, (event) => told.push([what, event.detail]));
}
shopbell('setLocale', 'zh-CN'); shopbell('open');`;

const host = createServer((request, answer) => {
  const kinds = { '/hostile.css': ['text/css', hostile], '/early.js': ['text/javascript', early] };
  const [kind, body] = kinds[request.url] ?? ['text/html', page];
  const socket = url.replace(/^http/, 'ws');
  answer.writeHead(200, {
    'Content-Type': `${kind}; charset=utf-8`,
    'Content-Security-Policy': `default-src 'none'; script-src 'self' ${url}; style-src 'self'; img-src ${url} blob:; connect-src ${url} ${socket}`,
  });
  answer.end(body);
});
await new Promise((resolve) => host.listen(0, '127.0.0.1', resolve));
const elsewhere = `http://localhost:${host.address().port}`;

async function api(method, path, token, body) {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  const answer = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

const browser = await launch();
let doing;
const step = async (what, run) => { doing = what; await run(); console.log(`ok  ${what}`); };
const faults = [];
try {
  const { token: admin } = await api('POST', '/login', '', { uid: need('AGENT_UID'), password: need('AGENT_PASSWORD') });
  const { origins } = await api('GET', '/shops/demo', admin);
  await api('PATCH', '/shops/demo', admin, { origins: [...origins, elsewhere] });
  const tab = await (await browser.newContext({ locale: 'en-GB', viewport: { width: 1000, height: 760 } })).newPage();
  tab.on('pageerror', (error) => faults.push(error.message));
  tab.on('console', (line) => { if (/Content Security Policy|Refused to/.test(line.text())) faults.push(line.text()); });
  const told = (what) => tab.evaluate((name) => window.told.filter(([one]) => one === name).map(([, detail]) => detail), what);
  const storage = () => tab.evaluate(() => Object.keys(localStorage).filter((key) => /visitor|outbox/.test(key)));

  await step('calls made before it was loaded are answered', async () => {
    await tab.goto(elsewhere);
    await tab.locator('.chat:not([hidden])').waitFor();
    assert.equal((await told('ready')).length, 1);
    assert.equal((await told('open')).length, 1);
    assert.equal(await tab.locator('.composer textarea').getAttribute('placeholder'), '输入消息');
    await tab.evaluate(() => window.shopbell('setLocale', 'en'));
    assert.equal(await tab.locator('.composer textarea').getAttribute('placeholder'), 'Write a message');
  });

  await step('the page\'s styles do not reach it', async () => {
    const seen = await tab.locator('.chat').evaluate((chat) => {
      const { width, left } = chat.getBoundingClientRect();
      const { fontSize, color, direction } = getComputedStyle(chat.querySelector('textarea'));
      return { width, left, fontSize, direction, red: color === 'rgb(255, 0, 0)' };
    });
    assert.deepEqual(seen, { width: 384, left: 22, fontSize: '15px', direction: 'ltr', red: false });
  });

  await step('a visitor writes, from another origin and under a strict policy', async () => {
    await tab.locator('.composer textarea').fill('Hello from elsewhere');
    await tab.keyboard.press('Enter');
    await tab.locator('.tick[data-state=stored]').waitFor();
    assert.deepEqual(await storage(), ['shopbell.visitor.demo']);
  });

  await step('what the page says the buyer is looking at can be asked about', async () => {
    await tab.evaluate(() => window.shopbell.setAttributes({ product: { id: 'p1', title: 'Blue cup', price: '€9' } }));
    await tab.locator('.offer .main').click();
    await tab.locator('.row .card', { hasText: 'Blue cup' }).waitFor();
    assert.equal(await tab.locator('.offer').count(), 0);
  });

  await step('a picture is pasted, another is dropped', async () => {
    const drop = (kind) => tab.evaluate(async (how) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 40, height: 30 });
      const blob = await new Promise((resolve) => canvas.toBlob(resolve));
      const data = new DataTransfer();
      data.items.add(new File([blob], `${how}.png`, { type: 'image/png' }));
      const { shadowRoot } = document.querySelector('shopbell-widget');
      const at = shadowRoot.querySelector(how === 'paste' ? 'textarea' : '.chat');
      const event = how === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
      at.dispatchEvent(event);
    }, kind);
    await drop('paste');
    await tab.locator('.row:not(.pending) .picture img').first().waitFor();
    await drop('drop');
    await tab.locator('.row:not(.pending) .picture img').nth(1).waitFor();
    for (const picture of await tab.locator('.picture img').all()) await picture.evaluate((img) => img.decode());
  });

  await step('a message is taken back', async () => {
    const row = tab.locator('.row.own', { hasText: 'Hello from elsewhere' });
    await row.hover();
    await row.locator('.recall').click();
    await tab.locator('.row.kind-recalled').waitFor();
    assert.equal(await row.count(), 0);
  });

  await step('folded, a new message counts on the button, in the title and in an event', async () => {
    await tab.keyboard.press('Escape');
    await tab.locator('.launcher:not([hidden])').waitFor();
    const { items: [{ id }] } = await api('GET', '/shops/demo/conversations?state=waiting', admin);
    await api('POST', `/conversations/${id}/claim`, admin);
    await api('POST', '/messages', admin, { id: `embed-${Date.now()}`, to: { conversation: id }, content: { kind: 'text', text: 'We are here' } });
    await tab.locator('.badge', { hasText: '1' }).waitFor();
    await tab.waitForFunction(() => document.title === '(1) Elsewhere');
    assert.deepEqual(await told('unread'), [{ count: 1 }]);
    assert.equal((await told('message')).at(-1).content.text, 'We are here');
    await tab.locator('.launcher').click();
    await tab.locator('.row', { hasText: 'We are here' }).waitFor();
    assert.equal(await tab.title(), 'Elsewhere');
  });

  await step('a buyer signs in, and sees a conversation of its own', async () => {
    await tab.evaluate((token) => window.shopbell.setUser({ token }), signed('embed-buyer', 'Embed Buyer'));
    await tab.locator('.empty:not([hidden])').waitFor();
    await tab.locator('.composer textarea').fill('Signed in');
    await tab.keyboard.press('Enter');
    await tab.locator('.row', { hasText: 'Signed in' }).locator('.tick[data-state=stored]').waitFor();
    const { items } = await api('GET', '/shops/demo/conversations?buyer=embed-buyer', admin);
    assert.equal(items[0].buyer.name, 'Embed Buyer');
  });

  await step('after a sign-out nothing of the person remains', async () => {
    await tab.evaluate(() => window.shopbell.reset());
    await tab.locator('.launcher:not([hidden])').waitFor();
    assert.deepEqual(await storage(), []);
    assert.equal(await tab.locator('.row').count(), 0);
    await tab.locator('.launcher').click();
    await tab.locator('.empty:not([hidden])').waitFor();
    await tab.locator('.chat[data-state=new]').waitFor();
  });

  await step('an unknown call says so', async () => {
    await assert.rejects(tab.evaluate(() => window.shopbell('explode')), /no method explode/);
  });
  doing = 'looking for faults of the page';
  assert.deepEqual(faults, []);
  console.log('embed: it all went well');
} catch (error) {
  console.error(`embed: FAILED while ${doing}\n${error.stack ?? error}\n${faults.join('\n')}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  host.close();
}
