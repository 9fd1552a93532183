// What the widget weighs: its bytes on the wire, how soon it can be used on a slow phone, its memory after 1,000 messages. Printed every
// day; with SHOPBELL_LONG=1 the conversation is as long as that.

import assert from 'node:assert/strict';
import { get } from 'node:http';
import { launch, url } from './people.mjs';
import { say, signed } from './shop.mjs';

const MESSAGES = process.env.SHOPBELL_LONG ? 1_000 : 200;
const GZIP_MAX = 20_000;
/** What a message may cost, markup and all. */
const BYTES_EACH_MAX = 20_000;

/** The bytes of a body as they cross the wire. */
const onWire = (path) => new Promise((resolve, reject) => get(`${url}${path}`, { headers: { 'Accept-Encoding': 'gzip' } }, async (answer) => {
  let bytes = 0;
  for await (const chunk of answer) bytes += chunk.length;
  resolve({ bytes, encoding: answer.headers['content-encoding'] });
}).on('error', reject));

const browser = await launch();
try {
  const { bytes, encoding } = await onWire('/widget.js');

  // A phone of the slow half: a processor six times slower, 1.6 Mbit/s, 150 ms away.
  const phone = await (await browser.newContext({ viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true })).newPage();
  const devtools = await phone.context().newCDPSession(phone);
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 94_000 });
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 6 });
  await phone.addInitScript(() => document.addEventListener('shopbell:ready', () => { window.readyAt = performance.now(); }));
  await phone.goto(`${url}/demo`);
  await phone.waitForFunction(() => window.readyAt);
  const [ready, firstByte] = await phone.evaluate(() => [window.readyAt, performance.getEntriesByType('navigation')[0].responseStart]);
  // Interactive is what can be used: the button opens the chat, and the chat takes words.
  if (await phone.locator('.launcher').isVisible()) await phone.locator('.launcher').tap();
  await phone.locator('.composer textarea').fill('Hello');
  await phone.context().close();

  const talker = `weight-${Date.now()}`;
  for (let n = 1; n <= MESSAGES; n++) assert.equal((await say(talker, `Message ${n} ${'lorem ipsum dolor sit amet '.repeat(3)}`)).status, 201);
  const buyer = await (await browser.newContext({ viewport: { width: 390, height: 780 } })).newPage();
  await buyer.goto(`${url}/demo`);
  const session = await buyer.context().newCDPSession(buyer);
  const memory = async () => {
    await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize;
  };
  const empty = await memory();
  await buyer.evaluate((token) => { window.shopbell('open'); window.shopbell('setUser', { token }); }, signed(talker));
  await buyer.locator('.row').first().waitFor();
  while (await buyer.locator('.row').count() < MESSAGES) {
    await buyer.locator('.thread').evaluate((thread) => { thread.scrollTop = thread.scrollTop > 1 ? 0 : 2; });
    await buyer.waitForTimeout(30);
  }
  const grown = await memory() - empty;

  console.log(`weight: the widget is ${bytes} bytes on the wire with ${encoding}; on a slow phone it is ready ${Math.round(ready)} ms after the click, `
    + `${Math.round(ready - firstByte)} ms after the page's first byte; ${(grown / 1e6).toFixed(1)} MB for ${MESSAGES} messages`);
  assert.equal(encoding, 'gzip');
  assert.ok(bytes <= GZIP_MAX, 'the widget is too large');
  assert.ok(grown / MESSAGES <= BYTES_EACH_MAX, `${Math.round(grown / MESSAGES)} bytes for each message`);
} catch (error) {
  console.error(`weight: FAILED\n${error.stack ?? error}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
