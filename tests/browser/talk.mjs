// A buyer and two agents talk in three browsers, against a running server with the demo shop.

import assert from 'node:assert/strict';
import { mark, story } from './story.mjs';

const hello = `Hello, is the teapot in stock? ${mark}`;
const markup = `<img src=x onerror="document.title='broken'"> ${mark}`;
const answer = `Yes, it leaves today. ${mark}`;
const thanks = `Wonderful, thank you ${mark}`;
const DOT = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64');

await story('talk', async (cast) => {
  const { step } = cast;
  let buyer, alice, bob, winner, loser;

  await step('two agents sign in', async () => { [alice, bob] = await cast.agents(); });

  await step('a buyer writes on the demo page and waits', async () => {
    buyer = await cast.buyer();
    await buyer.says(hello);
    await buyer.seesTick(hello, 'stored');
    await buyer.seesState(/in line|with you soon/);
  });

  await step('both agents see it waiting, and read it', async () => {
    for (const agent of [alice, bob]) {
      await agent.opens(hello);
      await agent.sees(hello);
      assert.equal(await agent.composer.count(), 0, `${agent.name} may write before claiming`);
    }
  });

  await step('both press claim: one wins, the other is told who was faster', async () => {
    await Promise.all([alice, bob].map((agent) => agent.act('claim').evaluate((button) => button.click())));
    const won = (agent) => agent.composer.waitFor().then(() => agent);
    winner = await Promise.any([won(alice), won(bob)]);
    loser = winner === alice ? bob : alice;
    await loser.seesToast(/was faster/);
    await loser.page.locator('.along', { hasText: 'reading along' }).waitFor();
    assert.equal(await loser.composer.count(), 0, 'both agents may write');
    assert.equal(await loser.act('claim').count(), 0, 'the other may still claim');
  });

  await step('the buyer sees who is there, and that the message was read', async () => {
    await buyer.seesState(/is here for you/);
    await buyer.seesTick(hello, 'read');
  });

  await step('the winner types and answers; the buyer sees it; the ticks turn', async () => {
    await winner.composer.locator('textarea').pressSequentially('Yes');
    await buyer.page.locator('.typing:not([hidden])').waitFor();
    await winner.says(answer);
    await buyer.sees(answer);
    await winner.seesTick(answer, 'read');
    await loser.sees(answer);
  });

  await step('markup arrives as text', async () => {
    await buyer.says(markup);
    await winner.sees(markup);
    assert.equal(await winner.page.locator('.thread img[onerror]').count(), 0, 'the markup became an element');
    assert.doesNotMatch(await winner.page.title(), /broken/, 'the markup ran');
  });

  await step('a product and a picture go through', async () => {
    await buyer.page.locator('.product#teapot button').click();
    await winner.page.locator('.thread .card', { hasText: '€48.00' }).last().waitFor();
    await buyer.page.locator('.composer input[type=file]').setInputFiles({ name: 'dot.png', mimeType: 'image/png', buffer: DOT });
    const picture = winner.page.locator('.thread .row:not(.pending) .picture img').last();
    await picture.waitFor();
    await picture.evaluate((img) => img.decode());
  });

  await step('a file of a kind that is not allowed is refused, and says so', async () => {
    await winner.page.locator('.composer input[type=file]').setInputFiles({ name: 'run.exe', mimeType: 'application/octet-stream', buffer: Buffer.from('MZ\x90\x00', 'latin1') });
    await winner.page.locator('.row.failed', { hasText: 'cannot be sent' }).getByRole('button', { name: 'Discard' }).click();
    assert.equal(await winner.page.locator('.row.failed, .row.pending').count(), 0);
  });

  await step('the buyer reloads and sees the history, with its ticks', async () => {
    await buyer.opens();
    for (const text of [hello, answer, markup]) await buyer.sees(text);
    await buyer.seesTick(hello, 'read');
    await buyer.seesState(/is here for you/);
    assert.equal(await buyer.message(hello).count(), 1, 'the history shows a message twice');
  });

  await step('a message written without a network arrives once it is back', async () => {
    await buyer.losesNetwork();
    await buyer.says(thanks);
    await buyer.page.locator('.row.pending', { hasText: thanks }).waitFor();
    buyer.regainsNetwork();
    await winner.sees(thanks);
    await buyer.seesTick(thanks, 'read');
    assert.equal(await winner.message(thanks).count(), 1, 'it arrived twice');
  });

  await step('the winner resolves; the buyer is told', async () => {
    await winner.act('resolve').click();
    await buyer.seesState(/closed/);
    await winner.page.locator('.chip.resolved').waitFor();
  });
});
