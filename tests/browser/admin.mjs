// The shop's admin at the dashboard, beside a buyer and an agent: people, canned replies, settings, records, figures, exports, audit.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { need, url } from './people.mjs';
import { mark, story } from './story.mjs';

const asked = `Where is my parcel? ${mark}`;
const second = `And one more thing ${mark}`;
const fresh = `carol-${mark}`;

await story('admin', async (cast) => {
  const { step } = cast;
  let buyer, alice, bob, page;
  const go = async (section) => {
    await page.locator(`.sections a[href="#/${section}"]`).click();
    await page.locator('.sections [aria-current]', { hasText: /./ }).waitFor();
  };
  const sheet = () => page.locator('dialog[open]');
  const press = (words) => sheet().getByRole('button', { name: words, exact: true }).click();

  await step('a buyer writes, an agent claims and answers', async () => {
    [alice, bob] = await cast.agents();
    buyer = await cast.buyer();
    await buyer.says(asked);
    await buyer.seesTick(asked, 'stored');
    await buyer.says(second);
    await buyer.seesTick(second, 'stored');
    await (await cast.buyer()).says(`Somebody waits ${mark}`);
    await bob.opens(second);
    await bob.act('claim').click();
    await bob.says(`It leaves today ${mark}`);
    await buyer.sees(`It leaves today ${mark}`);
  });

  await step('the admin signs in to the dashboard', async () => {
    page = alice.page;
    await page.goto(`${url}/admin`);
    await page.locator('#login input[name=uid]').fill(need('AGENT_UID'));
    await page.locator('#login input[name=password]').fill(need('AGENT_PASSWORD'));
    await page.locator('#login [type=submit]').click();
    await page.locator('.tiles .tile').first().waitFor();
  });

  await step('a figure of the board opens its list, which is as long', async () => {
    const tile = page.locator('.tile', { hasText: 'In conversation' });
    await page.waitForFunction(() => [...document.querySelectorAll('.tile')].some((one) => /In conversation/.test(one.textContent) && Number(one.querySelector('b').textContent) > 0));
    const count = Number(await tile.locator('b').textContent());
    await tile.click();
    await page.locator('.count-line', { hasText: String(count) }).waitFor();
    assert.equal(await page.locator('tbody tr.opens').count(), Math.min(count, 20));
  });

  await step('statistics are drawn', async () => {
    await go('statistics');
    await page.locator('.chart canvas').nth(3).waitFor();
    await page.locator('tbody tr', { hasText: 'Bob' }).waitFor();
  });

  await step('every figure of the statistics and of the board opens its list, and a count is as long as its list', async () => {
    let opened = 0;
    const follows = async (section, link, count) => {
      await link.click();
      const line = await page.locator('.count-line').textContent();
      if (count !== null) assert.equal(Number(line.match(/\d+/)[0]), count, `${await page.evaluate(() => location.hash)}`);
      await page.locator('tbody tr').first().waitFor();
      opened++;
      await page.goBack();
      await page.locator(`.sections a[href="#/${section}"][aria-current]`).waitFor();
    };
    const COUNTS = /^(Tickets opened|Claimed|Resolved|Left messages|Waiting now|In conversation)$/;
    for (const [section, which, least] of [['statistics', 'a.tile', 11], ['board', '[aria-live] a.tile', 3]]) {
      await go(section);
      const tiles = page.locator(which);
      await tiles.nth(least - 1).waitFor();
      const all = await tiles.count();
      for (let at = 0; at < all; at++) {
        await tiles.nth(least - 1).waitFor();
        const [value, label] = await tiles.nth(at).evaluate((tile) => [...tile.children].map((part) => part.textContent));
        await follows(section, tiles.nth(at), COUNTS.test(label) ? Number(value) : null);
      }
    }
    await go('statistics');
    const figures = page.locator('tbody tr', { hasText: 'Bob' }).locator('td a');
    await figures.nth(5).waitFor();
    for (let at = 0; at < 6; at++) {
      await figures.nth(5).waitFor();
      await follows('statistics', figures.nth(at), at < 2 ? Number(await figures.nth(at).textContent()) : null);
    }
    assert.equal(opened, 20);
  });

  await step('an agent is added, must change the password, and signs in', async () => {
    await go('agents');
    await page.getByRole('button', { name: 'Add an agent' }).click();
    await sheet().locator('[name=uid]').fill(fresh);
    await sheet().locator('[name=name]').fill('Carol');
    await sheet().locator('[name=password]').fill('first password');
    await press('Add');
    await page.locator('tbody tr', { hasText: fresh }).waitFor();
    const { page: desk } = await cast.stranger();
    await desk.goto(`${url}/agent`);
    await desk.locator('#login input[name=uid]').fill(fresh);
    await desk.locator('#login input[name=password]').fill('first password');
    await desk.locator('#login [type=submit]').click();
    await desk.locator('#login input[name=fresh]').fill('second password');
    await desk.locator('#login [type=submit]').click();
    await desk.locator('#console:not([hidden]) .tabs').waitFor();
  });

  await step('an agent who is removed is signed out', async () => {
    const { page: desk } = cast.people.at(-1);
    await page.locator('tbody tr', { hasText: fresh }).getByRole('button', { name: 'Remove' }).click();
    await press('Remove');
    await desk.locator('#gate:not([hidden])').waitFor();
    await page.locator('tbody tr', { hasText: fresh }).waitFor({ state: 'detached' });
  });

  await step('a canned reply is written, and used by its shortcut', async () => {
    await go('replies');
    await page.getByRole('button', { name: 'Add a reply' }).click();
    await sheet().locator('[name=shortcut]').fill(`hi${mark}`);
    await sheet().locator('[name=text]').fill('Hello {buyer.name}, {agent.name} here.');
    await press('Add');
    await page.locator('tbody tr', { hasText: `/hi${mark}` }).waitFor();
    await bob.tab('waiting').click();
    await bob.tab('mine').click();
    await bob.item(`It leaves today ${mark}`).click();
    await bob.page.waitForTimeout(300);
    await bob.composer.locator('textarea').pressSequentially(`/hi${mark}`);
    await bob.page.locator('.canned .reply').waitFor();
    await bob.page.keyboard.press('Enter');
    const written = await bob.composer.locator('textarea').inputValue();
    assert.match(written, /^Hello Visitor.*, Bob here\.$|^Hello .+, Bob here\.$/);
    await bob.page.keyboard.press('Enter');
    await buyer.sees(written);
  });

  await step('a message is edited and another deleted; the buyer sees both at once', async () => {
    await go('records');
    await page.locator('.filters [name=text]').fill(second);
    await page.locator('tbody tr.opens', { hasText: 'Visitor' }).first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll('tbody tr.opens').length === 1);
    await page.locator('tbody tr.opens').click();
    await page.locator('.record li', { hasText: asked }).locator('[data-act=edit]').click();
    await sheet().locator('[name=text]').fill(`Put right ${mark}`);
    await press('Save');
    await buyer.sees(`Put right ${mark}`);
    await buyer.page.locator('.row', { hasText: `Put right ${mark}` }).getByText('edited').waitFor();
    await page.locator('.record li', { hasText: second }).locator('[data-act=delete]').click();
    await press('Delete');
    await buyer.page.locator('.row.kind-deleted').waitFor();
    await bob.page.locator('.row.kind-deleted').waitFor();
  });

  await step('a message is added in the agent\'s name', async () => {
    await page.locator('[data-act=add]').click();
    await sheet().locator('[name=as]').selectOption({ label: 'Bob' });
    await sheet().locator('[name=text]').fill(`By telephone ${mark}`);
    await press('Add');
    await buyer.sees(`By telephone ${mark}`);
  });

  await step('what was said is found', async () => {
    await go('messages');
    // Search is at most a second behind.
    for (let tries = 0; tries < 5 && !await page.locator('tbody tr.opens mark').count(); tries++) {
      await page.locator('.filters [name=q]').fill('');
      await page.locator('.filters [name=q]').fill(`telephone ${mark}`);
      await page.waitForTimeout(400);
    }
    await page.locator('tbody tr.opens mark').first().waitFor();
    assert.equal(await page.locator('tbody tr.opens').count(), 1);
  });

  await step('tickets are downloaded', async () => {
    await go('tickets');
    await page.locator('[data-act=export]').click();
    await sheet().locator('[name=format]').selectOption('csv');
    const [download] = await Promise.all([page.waitForEvent('download'), press('Download')]);
    const text = await readFile(await download.path(), 'utf8');
    assert.equal(text.charCodeAt(0), 0xfeff, 'a byte order mark');
    assert.ok(text.split('\n').length > 2, text.slice(0, 200));
  });

  await step('settings are saved, and stay', async () => {
    await go('settings');
    await page.locator('.settings [name=name]').fill(`Demo shop ${mark}`);
    await page.locator('.settings [name=time_zone]').fill('Asia/Shanghai');
    await page.locator('.settings [name=always]').uncheck();
    await page.locator('.settings [name=mon]').fill('09:00-12:00, 13:00-18:00');
    await page.locator('.settings [name=retention_messages]').fill('730');
    await page.locator('.settings [name=retention_files]').fill('90');
    await page.locator('.settings').getByRole('button', { name: 'Save' }).click();
    await page.locator('.toast', { hasText: 'Saved' }).waitFor();
    await page.reload();
    await page.locator('.settings [name=name]').waitFor();
    assert.equal(await page.locator('.settings [name=time_zone]').inputValue(), 'Asia/Shanghai');
    assert.equal(await page.locator('.settings label', { hasText: 'Monday' }).locator('input').inputValue(), '09:00–12:00, 13:00–18:00');
    assert.deepEqual(await Promise.all(['messages', 'files'].map((what) => page.locator(`.settings [name=retention_${what}]`).inputValue())), ['730', '90']);
    await page.locator('.settings [name=retention_messages]').fill('');
    await page.locator('.settings [name=retention_files]').fill('0');
    await page.locator('.settings').getByRole('button', { name: 'Save' }).click();
    await page.locator('.settings [name=retention_files]:invalid').waitFor();
    await page.locator('.settings [name=retention_files]').fill('');
    await page.locator('.settings [name=name]').fill('Demo shop');
    await page.locator('.settings [name=always]').check();
    await page.locator('.settings').getByRole('button', { name: 'Save' }).click();
    await page.locator('.toast', { hasText: 'Saved' }).first().waitFor();
  });

  await step('the audit list tells all of it', async () => {
    await go('audit');
    for (const what of ['agent.added', 'agent.removed', 'message.edited', 'message.deleted', 'message.added', 'shop.changed']) {
      await page.locator('tbody code', { hasText: what }).first().waitFor();
    }
  });

  await step('the dashboard speaks Chinese when asked to', async () => {
    await page.locator('[data-language]').last().click();
    await page.locator('h2', { hasText: '审计' }).waitFor();
  });
});
