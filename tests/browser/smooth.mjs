// The figures of the pages: the widget's size, how soon it can be used on a slow phone, its memory after 1,000 messages; the console with
// 500 conversations and 50 messages a second. Printed every day; judged with SHOPBELL_LONG=1, where the machine should be quiet.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { launch, need, url } from './people.mjs';

const LONG = Boolean(process.env.SHOPBELL_LONG);
const CONVERSATIONS = LONG ? 500 : 100;
const SECONDS = LONG ? 20 : 5;
const PER_SECOND = 50;
const MESSAGES = LONG ? 1_000 : 200;
const LONG_TASK_MS = 50;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
function signed(sub) {
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, name: sub, exp: Math.floor(Date.now() / 1000) + 900 })}`;
  return `${text}.${createHmac('sha256', need('SHOPBELL__AUTH__SECRET')).update(text).digest('base64url')}`;
}

let sent = 0;
async function say(uid, text) {
  const answer = await fetch(`${url}/api/v1/messages`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${signed(uid)}` },
    body: JSON.stringify({ id: `s${Date.now()}-${sent++}`, to: { shop: 'demo' }, content: { kind: 'text', text } }),
  });
  if (answer.status === 429) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return say(uid, text);
  }
  assert.equal(answer.status, 201, await answer.text());
}

/** Runs `work` for each of these, a few at a time. */
async function each(list, work, together = 16) {
  const rest = [...list];
  await Promise.all(Array.from({ length: together }, async () => { while (rest.length) await work(rest.shift()); }));
}

const browser = await launch();
const mark = Date.now().toString(36);
try {
  const script = Buffer.from(await (await fetch(`${url}/widget.js`)).arrayBuffer());
  const gzip = gzipSync(script, { level: 9 }).length;

  // A phone of the slow half: a processor six times slower, 1.6 Mbit/s, 150 ms away.
  const phone = await (await browser.newContext({ viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true })).newPage();
  const devtools = await phone.context().newCDPSession(phone);
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 94_000 });
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 6 });
  await phone.addInitScript(() => document.addEventListener('shopbell:ready', () => { window.readyAt = performance.now(); }));
  await phone.goto(`${url}/demo`);
  await phone.waitForFunction(() => window.readyAt);
  const ready = await phone.evaluate(() => ({ ready: window.readyAt, ...(({ responseStart }) => ({ page: responseStart }))(performance.getEntriesByType('navigation')[0]) }));
  await phone.context().close();

  // A long conversation.
  const talker = `smooth-${mark}`;
  for (let n = 1; n <= MESSAGES; n++) await say(talker, `Message ${n} ${'lorem ipsum dolor sit amet '.repeat(3)}`);
  const buyer = await (await browser.newContext({ viewport: { width: 390, height: 780 } })).newPage();
  await buyer.goto(`${url}/demo`);
  const memory = async () => {
    const session = await buyer.context().newCDPSession(buyer);
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    return usedSize;
  };
  const empty = await memory();
  await buyer.evaluate((token) => { window.shopbell('open'); window.shopbell('setUser', { token }); }, signed(talker));
  await buyer.locator('.row').first().waitFor();
  const rows = () => buyer.locator('.row').count();
  while (await rows() < MESSAGES) {
    await buyer.locator('.thread').evaluate((thread) => { thread.scrollTop = thread.scrollTop > 1 ? 0 : 2; });
    await buyer.waitForTimeout(30);
  }
  const full = await memory();
  await buyer.context().close();

  // A busy shop.
  const buyers = Array.from({ length: CONVERSATIONS }, (_, n) => `busy-${mark}-${n}`);
  await each(buyers, (uid) => say(uid, 'Hello'));
  const desk = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  await desk.addInitScript(() => {
    window.tasks = [];
    new PerformanceObserver((list) => { for (const { startTime, duration } of list.getEntries()) window.tasks.push([startTime, duration]); }).observe({ type: 'longtask', buffered: true });
  });
  await desk.goto(`${url}/agent`);
  await desk.locator('#login input[name=uid]').fill(need('AGENT_UID'));
  await desk.locator('#login input[name=password]').fill(need('AGENT_PASSWORD'));
  await desk.keyboard.press('Enter');
  await desk.locator('.list .item').first().waitFor();
  while (await desk.locator('.list .more').count() && await desk.locator('.list .item').count() < CONVERSATIONS) {
    const before = await desk.locator('.list .item').count();
    await desk.locator('.list .more').click();
    await desk.waitForFunction((n) => document.querySelectorAll('.list .item').length > n, before);
  }
  const shown = await desk.locator('.list .item').count();
  await desk.evaluate(() => { window.tasks.length = 0; });
  const until = performance.now() + SECONDS * 1000;
  const began = sent;
  while (performance.now() < until) {
    const next = performance.now() + 1000;
    await each(Array.from({ length: PER_SECOND }, () => buyers[Math.floor(Math.random() * buyers.length)]), (uid) => say(uid, `News ${Math.random()}`));
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
  }
  const tasks = (await desk.evaluate(() => window.tasks)).map(([, duration]) => duration);
  const longest = Math.max(0, ...tasks);

  console.log(`smooth: widget ${gzip} bytes with gzip; ready ${Math.round(ready.ready)} ms after the click, ${Math.round(ready.ready - ready.page)} ms after the page's first byte, on a slow phone; `
    + `${((full - empty) / 1e6).toFixed(1)} MB for ${MESSAGES} messages; console with ${shown} conversations and ${Math.round((sent - began) / SECONDS)} messages a second: `
    + `${tasks.length} tasks above ${LONG_TASK_MS} ms, the longest ${Math.round(longest)} ms`);
  assert.ok(gzip <= 20_000, 'the widget is too large');
  if (LONG) assert.equal(tasks.length, 0, `tasks of ${tasks.map(Math.round)} ms`);
} catch (error) {
  console.error(`smooth: FAILED\n${error.stack ?? error}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
