// The network is cut at every frame of a conversation in turn, once before the frame has gone through and once after. Whatever is cut:
// the buyer sees each message once, in order, its own come to be read, and the agent sees each of them once, in order.
// Every fourth place is tried every day, all with SHOPBELL_LONG=1.

import assert from 'node:assert/strict';
import { launch, need, url } from './people.mjs';

const EVERY = process.env.SHOPBELL_LONG ? 1 : 4;
const SAID = ['one', 'two', 'three'];
const ANSWERS = ['first answer', 'second answer'];

const browser = await launch();

/** An agent of the demo shop without a console: claims whoever writes, and answers the last word. */
const office = await browser.newPage();
await office.goto(`${url}/agent`);
await office.evaluate(async ([uid, password, last, answers]) => {
  const { Shopbell } = await import('/assets/sdk/shopbell.js');
  const { rest } = await import('/assets/api.js');
  const { token } = await rest('POST', '/login', { body: { uid, password } });
  const seen = window.seen = {};
  const client = new Shopbell({ token });
  client.addEventListener('message', async ({ detail: { conversation, seq, content, from } }) => {
    if (from.role !== 'buyer') return;
    (seen[from.uid] ??= []).push([seq, content.text]);
    if (content.text !== last) return;
    await client.claim(conversation);
    await client.read(conversation, seq);
    for (const text of answers) await client.send({ conversation }, { kind: 'text', text });
  });
  client.connect();
}, [need('AGENT_UID'), need('AGENT_PASSWORD'), SAID.at(-1), ANSWERS]);

/** How many frames the uncut conversation has. */
let frames = 0;

/** @param {number} at the frame that is cut; 0 cuts none @param {boolean} through whether it still arrives */
async function talk(at, through) {
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await context.newPage();
  let count = 0;
  await page.routeWebSocket('**/ws', (socket) => {
    const server = socket.connectToServer();
    const passing = (pass) => (text) => {
      count++;
      if (count !== at) return pass(text);
      if (through) pass(text);
      server.close();
      socket.close();
    };
    socket.onMessage(passing((text) => server.send(text)));
    server.onMessage(passing((text) => socket.send(text)));
  });
  await page.goto(`${url}/demo`);
  const input = page.locator('.composer textarea');
  for (const text of SAID) {
    await input.fill(text);
    await input.press('Enter');
  }
  const own = page.locator('.row.own');
  try {
    await page.locator('.row.other', { hasText: ANSWERS.at(-1) }).waitFor({ timeout: 20_000 });
    await page.waitForFunction((n) => document.querySelector('shopbell-widget').shadowRoot.querySelectorAll('.tick[data-state=read]').length === n, SAID.length, { timeout: 20_000 });
  } catch (error) {
    const rows = await page.locator('.row').allInnerTexts();
    throw new Error(`the page shows ${JSON.stringify(rows)}`, { cause: error });
  }
  assert.deepEqual(await page.locator('.row .text').allInnerTexts(), [...SAID, ...ANSWERS]);
  assert.equal(await own.count(), SAID.length);
  const uid = await page.evaluate(() => JSON.parse(atob(JSON.parse(localStorage.getItem('shopbell.visitor.demo')).token.split('.')[1])).sub);
  const seen = await office.evaluate((who) => window.seen[who], uid);
  assert.deepEqual(seen, SAID.map((text, place) => [place + 1, text]), 'what the agent saw');
  assert.equal(await page.evaluate(() => localStorage.getItem('shopbell.outbox.demo')), null, 'something still waits');
  await context.close();
  return count;
}

let tried = 0;
let doing = 'nothing cut';
try {
  frames = await talk(0, false);
  for (let at = 1; at <= frames; at += EVERY) {
    for (const through of [false, true]) {
      doing = `frame ${at} of ${frames} cut ${through ? 'after' : 'before'} it went through`;
      await talk(at, through);
      tried++;
    }
  }
  assert.ok(frames >= 12, `only ${frames} frames`);
  console.log(`cuts: ${tried} cuts at ${frames} frames: each message once, in order, on both sides`);
} catch (error) {
  console.error(`cuts: FAILED with ${doing}\n${error.stack ?? error}\n${error.cause ?? ''}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
