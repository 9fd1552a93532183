// What an agent does besides talking: transfer, release, going away, resolve and reopen, reading on
// after a reload, in another language; against a running server with the demo shop.

import assert from 'node:assert/strict';
import { mark, story } from './story.mjs';

const question = `Where is my parcel? ${mark}`;
const nudge = `Are you still there? ${mark}`;
const again = `One more thing ${mark}`;

await story('desk', async (cast) => {
  const { step } = cast;
  let buyer, alice, bob;

  await step('a buyer writes, the second agent claims', async () => {
    [alice, bob] = await cast.agents();
    buyer = await cast.buyer();
    await buyer.says(question);
    await bob.opens(question);
    await bob.act('claim').click();
    await bob.seesChip('Yours');
    await alice.tab('others').click();
    await alice.item(question).waitFor();
  });

  await step('the agent sees which page the buyer looks at, without its query', async () => {
    await bob.page.locator('.buyer .presence.on').waitFor();
    await bob.page.locator('.buyer .now a', { hasText: await buyer.page.title() }).waitFor();
    await buyer.page.evaluate(() => { history.pushState(null, '', '/demo/sale?secret=1'); document.title = 'Everything must go'; });
    await buyer.says(`Is this on sale? ${mark}`);
    const page = bob.page.locator('.buyer .now a', { hasText: 'Everything must go' });
    await page.waitFor();
    assert.equal(new URL(await page.getAttribute('href')).pathname, '/demo/sale');
    assert.doesNotMatch(await page.getAttribute('href'), /secret/);
    await buyer.page.evaluate(() => history.back());
    await alice.tab('others').click();
    await alice.item(`Is this on sale? ${mark}`).click();
    await alice.seesChip('With');
    assert.equal(await alice.page.locator('.buyer .now a').count(), 0, 'who only reads along is not told');
  });

  await step('who may not see the list of colleagues transfers by user id', async () => {
    await bob.act('transfer').click();
    await bob.page.locator('#transfer-uid input').fill(process.env.AGENT_UID);
    await bob.page.locator('#transfer-go').click();
    await bob.seesToast('Transferred to');
    assert.equal(await bob.composer.count(), 0);
    await alice.seesToast('transferred to you');
  });

  await step('what is mine and unread shows in the tab and in the title', async () => {
    await bob.seesChip('With');
    await alice.page.locator('.buyer .now a').waitFor();
    await alice.tab('mine').click();
    await alice.page.reload();
    await alice.tab('mine').click();
    await buyer.says(nudge);
    await alice.item(nudge).locator('.badge').waitFor();
    await alice.page.waitForFunction(() => /^\(\d+\)/.test(document.title));
    await alice.item(nudge).click();
    await alice.sees(nudge);
    await alice.item(nudge).locator('.badge').waitFor({ state: 'detached' });
    await buyer.seesTick(nudge, 'read');
  });

  await step('an admin transfers by picking a colleague', async () => {
    await alice.act('transfer').click();
    await alice.page.locator(`.colleague[data-uid="${process.env.AGENT2_UID}"]`).click();
    await bob.seesChip('Yours');
    await alice.seesChip('With');
  });

  await step('a release puts it back in the queue for everybody', async () => {
    await bob.act('release').click();
    await bob.seesChip('Waiting');
    await alice.seesChip('Waiting');
    await buyer.seesState(/in line|with you soon/);
  });

  await step('a console that is loaded again knows its login, its status and its lists', async () => {
    await alice.page.locator('.switch').click();
    await alice.page.locator('#duty-text', { hasText: 'Away' }).waitFor();
    await alice.page.reload();
    await alice.page.locator('#duty-text', { hasText: 'Away' }).waitFor();
    await alice.page.locator('.switch').click();
    await alice.page.locator('#duty-text', { hasText: 'On duty' }).waitFor();
    await alice.opens(nudge);
    await alice.sees(question);
  });

  await step('resolved, then opened again by the buyer', async () => {
    await alice.act('claim').click();
    await alice.seesChip('Yours');
    await alice.act('resolve').click();
    await buyer.seesState(/closed/);
    await bob.seesChip('Resolved');
    await buyer.says(again);
    await alice.seesChip('Waiting');
    await alice.sees(again);
    await alice.act('claim').click();
    await buyer.seesState(/is here for you/);
    await alice.act('resolve').click();
    await alice.seesChip('Resolved');
  });

  await step('the console speaks Chinese when asked to', async () => {
    await alice.page.locator('.bar [data-language]').click();
    await alice.seesChip('已结束');
    assert.equal(await alice.page.locator('html').getAttribute('lang'), 'zh-CN');
  });

  await step('after signing out nothing of the shop is on the page', async () => {
    await bob.page.locator('#logout').click();
    await bob.page.locator('#gate').waitFor();
    assert.equal(await bob.page.locator('.item, .row').count(), 0);
    await bob.page.reload();
    await bob.page.locator('#gate').waitFor();
  });
});
