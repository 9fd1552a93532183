// Several tabs of one person agree: a buyer's two pages of the shop, an agent's two consoles.

import assert from 'node:assert/strict';
import { Agent, Buyer, need } from './people.mjs';
import { mark, story } from './story.mjs';

const one = `From the first tab ${mark}`;
const two = `From the second tab ${mark}`;
const answer = `An answer ${mark}`;
const nudge = `Are you there? ${mark}`;
const folded = `While the chat is folded ${mark}`;
const away = `Without a network ${mark}`;

await story('tabs', async (cast) => {
  const { step } = cast;
  let here, there, desk, other;
  const both = (run) => Promise.all(run);

  await step('two pages that open at once are one visitor', async () => {
    const stranger = await cast.stranger();
    here = await cast.tab(stranger, (page) => Buyer.at(page, 'here'));
    there = await cast.tab(stranger, (page) => Buyer.at(page, 'there'));
    await both([here.opens(), there.opens()]);
    for (const tab of [here, there]) await tab.page.locator('.chat[data-state="new"]').waitFor();
    await here.says(one);
    await here.seesTick(one, 'stored');
    await there.sees(one);
    await there.says(two);
    await there.seesTick(two, 'stored');
    await here.sees(two);
    for (const tab of [here, there]) assert.deepEqual(await tab.thread(), [one, two], tab.name);
  });

  await step('what one console claims is the other\'s too', async () => {
    [, desk] = await cast.agents();
    other = await cast.tab(desk, (page) => Agent.signsInAt(page, need('AGENT2_UID'), need('AGENT2_PASSWORD')));
    await both([desk.opens(two), other.opens(two)]);
    await desk.act('claim').click();
    await both([desk.seesChip('Yours'), other.seesChip('Yours')]);
    await other.composer.waitFor();
    await other.says(answer);
    await both([desk, here, there].map((person) => person.sees(answer)));
    await both([desk, other].map((console) => console.seesTick(answer, 'read')));
    for (const person of [desk, other, here, there]) assert.deepEqual(await person.thread(), [one, two, answer], person.name);
  });

  await step('what is read in one tab is unread in none', async () => {
    for (const console of [desk, other]) {
      await console.page.reload();
      await console.tab('mine').click();
    }
    await here.says(nudge);
    for (const console of [desk, other]) {
      await console.item(nudge).locator('.badge').waitFor();
      await console.page.waitForFunction(() => /^\(1\)/.test(document.title));
    }
    await desk.item(nudge).click();
    await desk.sees(nudge);
    await other.item(nudge).locator('.badge').waitFor({ state: 'detached' });
    await other.page.waitForFunction(() => !document.title.startsWith('('));
  });

  await step('a folded chat counts in both pages, and in neither when one has shown it', async () => {
    for (const tab of [here, there]) await tab.page.locator('.chat .fold').click();
    await desk.says(folded);
    for (const tab of [here, there]) await tab.page.locator('.launcher .badge', { hasText: '1' }).waitFor();
    await there.page.locator('.launcher').click();
    await there.sees(folded);
    await here.page.locator('.launcher .badge').waitFor({ state: 'hidden' });
    assert.doesNotMatch(await here.page.title(), /^\(/);
    await here.page.locator('.launcher').click();
  });

  await step('what waits in one page without a network is sent once, by whichever comes first', async () => {
    await here.losesNetwork();
    await here.says(away);
    await here.page.locator('.row.pending', { hasText: away }).waitFor();
    await there.page.reload();
    await there.sees(away);
    here.regainsNetwork();
    await here.sees(away);
    await desk.sees(away);
    for (const person of [desk, here, there]) assert.equal(await person.message(away).count(), 1, person.name);
    await here.page.locator('.row.pending').waitFor({ state: 'detached' });
  });

  await step('going away in one console is being away in the other', async () => {
    await desk.page.locator('.switch').click();
    await other.page.locator('#duty-text', { hasText: 'Away' }).waitFor({ timeout: 15_000 });
    await other.page.locator('.switch').click();
    await desk.page.locator('#duty-text', { hasText: 'On duty' }).waitFor({ timeout: 15_000 });
  });

  await step('what one console resolves is resolved in the other', async () => {
    await desk.act('resolve').click();
    await other.tab('resolved').click();
    await other.item(away).click();
    await other.seesChip('Resolved');
  });

  await step('who is forgotten in one page is forgotten in the other', async () => {
    await here.page.evaluate(() => window.shopbell('reset'));
    await there.page.locator('.launcher:not([hidden])').waitFor();
    for (const tab of [here, there]) assert.equal(await tab.page.locator('.row').count(), 0, tab.name);
  });
});
