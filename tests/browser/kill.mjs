// The server is killed while people talk, and started again: what they see afterwards is each message once, in one order on both sides.

import assert from 'node:assert/strict';
import { mark, story } from './story.mjs';
import { server } from './server.mjs';

const first = `Hello ${mark}`;
const dead = `Written to a dead server ${mark}`;
const deadAnswer = `An answer to a dead server ${mark}`;
const away = `Written without a network ${mark}`;
const meanwhile = `Answered meanwhile ${mark}`;
const STREAM = 12;

/** Waits until a person's screen shows all of these, whatever else it shows. */
const seesAll = (person, texts) => Promise.all(texts.map((text) => person.sees(text)));

if (!server) {
  console.log('kill: skipped, the server is not ours to kill');
  process.exit();
}

await story('kill', async (cast) => {
  const { step } = cast;
  const said = [first];
  let buyer, bob;

  /** Both screens show the same messages in the same order, each once, and nothing waits or has failed. */
  async function agree() {
    await seesAll(buyer, said);
    await seesAll(bob, said);
    const screens = [await buyer.thread(), await bob.thread()];
    assert.deepEqual(screens[0], screens[1], 'buyer and agent see different conversations');
    assert.deepEqual([...screens[0]].sort(), [...said].sort(), 'each message once');
    for (const person of [buyer, bob]) assert.equal(await person.page.locator('.row.pending, .row.failed').count(), 0);
    return screens[0];
  }

  await step('a buyer writes, an agent claims', async () => {
    [, bob] = await cast.agents();
    buyer = await cast.buyer();
    await buyer.says(first);
    await buyer.seesTick(first, 'stored');
    await bob.opens(first);
    await bob.act('claim').click();
    await bob.seesChip('Yours');
  });

  await step('the server is killed; both write on', async () => {
    await server.kill();
    await buyer.page.locator('.chat[data-state="offline"]').waitFor();
    await buyer.says(dead);
    await bob.says(deadAnswer);
    for (const [person, text] of [[buyer, dead], [bob, deadAnswer]]) await person.page.locator('.row.pending', { hasText: text }).waitFor();
    said.push(dead, deadAnswer);
  });

  await step('it is started again, and everything arrives, once', async () => {
    await server.start();
    await agree();
    await buyer.seesTick(dead, 'read');
    await bob.seesTick(deadAnswer, 'read');
  });

  await step('it is killed in the middle of a stream from both sides', async () => {
    const write = async (person, name) => {
      for (let n = 1; n <= STREAM; n++) {
        const text = `${name} ${n} ${mark}`;
        await person.says(text);
        said.push(text);
      }
    };
    const writing = Promise.all([write(buyer, 'buyer'), write(bob, 'agent')]);
    await bob.page.locator('.thread .row', { hasText: `buyer 4 ${mark}` }).waitFor();
    await server.kill();
    await writing;
    await server.start();
    const seen = await agree();
    for (const name of ['buyer', 'agent']) {
      const own = seen.filter((text) => text.startsWith(`${name} `));
      assert.deepEqual(own, Array.from({ length: STREAM }, (_, at) => `${name} ${at + 1} ${mark}`), 'in the order they were written');
    }
  });

  await step('the buyer reloads in the middle of another end', async () => {
    const text = `Just before the reload ${mark}`;
    await server.kill();
    await buyer.says(text);
    said.push(text);
    await server.start();
    await buyer.opens();
    await agree();
    await buyer.seesTick(text, 'read');
  });

  await step('the buyer goes offline and returns; what was said meanwhile is there', async () => {
    await buyer.losesNetwork();
    await buyer.says(away);
    await bob.says(meanwhile);
    await bob.seesTick(meanwhile, 'stored');
    buyer.regainsNetwork();
    said.push(away, meanwhile);
    const seen = await agree();
    assert.ok(seen.indexOf(meanwhile) < seen.indexOf(away), 'in the order they were stored');
  });

  await step('a page that is opened afresh shows the same', async () => {
    const before = await buyer.thread();
    await buyer.opens();
    await agree();
    assert.deepEqual(await buyer.thread(), before);
  });
});
