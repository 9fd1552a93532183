// What calls an agent: clocks that turn amber and red, a notification of the desktop, a sound, the number in the title.

import assert from 'node:assert/strict';
import { mark, story } from './story.mjs';

const asked = `Is anybody there? ${mark}`;
const more = `I am still here ${mark}`;
const HOUR_MS = 3_600_000;

/** Lets a test see what the browser would show and play; runs in the page before it does. */
function listen() {
  window.notes = [];
  window.tones = 0;
  window.Notification = class {
    static permission = 'granted';
    static requestPermission() { return Promise.resolve('granted'); }
    constructor(title, options) { Object.assign(this, { title, ...options }); window.notes.push(this); }
    close() {}
  };
  const { start } = OscillatorNode.prototype;
  OscillatorNode.prototype.start = function counted(...when) { window.tones++; return start.apply(this, when); };
  Object.defineProperty(document, 'visibilityState', { get: () => (window.looksAway ? 'hidden' : 'visible') });
}

await story('alerts', async (cast) => {
  const { step } = cast;
  let buyer, bob, page;
  const looksAway = (away) => page.evaluate((on) => { window.looksAway = on; document.dispatchEvent(new Event('visibilitychange')); }, away);
  const clock = () => bob.item(asked).locator('time');

  await step('an agent signs in at a desk whose clock is an hour wrong', async () => {
    [, bob] = await cast.agents((desk) => desk.addInitScript(listen));
    page = bob.page;
    await page.clock.setFixedTime(Date.now() + HOUR_MS);
    await page.reload();
    await page.locator('.tabs').waitFor();
  });

  await step('a buyer writes: there is a number, a sound and, for who looks elsewhere, a notification', async () => {
    await page.locator('.tabs [data-tab=waiting]').click();
    await looksAway(true);
    buyer = await cast.buyer();
    await buyer.says(asked);
    await page.waitForFunction(() => window.notes.length === 1);
    const [{ title, body }] = await page.evaluate(() => window.notes.map(({ title: name, body: words }) => ({ title: name, body: words })));
    assert.match(title, /^Visitor/);
    assert.equal(body, asked);
    assert.equal(await page.evaluate(() => window.tones), 2, 'two notes');
    await page.waitForFunction(() => /^\(1\) /.test(document.title));
  });

  await step('the wait is counted by the server\'s clock, and turns amber, then red', async () => {
    assert.match(await clock().textContent(), /^0:\d\d$/);
    assert.equal(await clock().getAttribute('class'), '');
    for (const [seconds, colour] of [[101, 'amber'], [181, 'red']]) {
      await page.clock.setFixedTime(Date.now() + HOUR_MS + seconds * 1_000);
      await bob.item(asked).locator(`time.${colour}`).waitFor();
    }
    const colours = await page.evaluate(() => ['amber', 'red', ''].map((name) => {
      const probe = document.querySelector('.item time').cloneNode();
      probe.className = name;
      document.querySelector('.item').append(probe);
      const { color } = getComputedStyle(probe);
      probe.remove();
      return color;
    }));
    assert.equal(new Set(colours).size, 3, `${colours}`);
  });

  await step('a press on the notification opens the conversation', async () => {
    await looksAway(false);
    await page.evaluate(() => window.notes[0].onclick());
    await bob.sees(asked);
    await bob.act('claim').click();
    await bob.composer.waitFor();
  });

  await step('what arrives before one\'s eyes does not call', async () => {
    await page.evaluate(() => { window.tones = 0; });
    await buyer.says(more);
    await bob.sees(more);
    assert.deepEqual(await page.evaluate(() => [window.notes.length, window.tones]), [1, 0]);
    assert.doesNotMatch(await page.title(), /^\(/);
  });

  await step('a buyer who leaves is seen to have left', async () => {
    await page.locator('.buyer .presence.on').waitFor();
    await buyer.page.close();
    await page.locator('.buyer .presence.off', { hasText: 'Has left' }).waitFor();
    assert.equal(await page.locator('.buyer .now a').count(), 0);
  });
});
