// Whoever runs the server manages its shops at the dashboard, and reads no messages.

import assert from 'node:assert/strict';
import { Agent, need, url } from './people.mjs';
import { mark, story } from './story.mjs';

const shop = `tea-${mark}`;
const dora = `dora-${mark}`;

await story('operator', async (cast) => {
  const { step } = cast;
  let page, operator;
  const sheet = () => page.locator('dialog[open]');
  const press = (words) => sheet().getByRole('button', { name: words, exact: true }).click();
  const go = (section) => page.locator(`.sections a[href="#/${section}"]`).click();
  const row = (text) => page.locator('tbody tr', { hasText: text });

  await step('an operator signs in, and is offered no messages', async () => {
    operator = await cast.stranger();
    page = operator.page;
    await page.goto(`${url}/admin`);
    await operator.passes(need('OPERATOR_UID'), need('OPERATOR_PASSWORD'));
    await page.locator('.sections a[href="#/shops"]').waitFor();
    const sections = await page.locator('.sections a').evaluateAll((links) => links.map((link) => link.hash.slice(2)));
    assert.deepEqual(sections, ['agents', 'settings', 'audit', 'shops']);
  });

  await step('a shop is made, and chosen', async () => {
    await go('shops');
    await page.getByRole('button', { name: 'Make a shop' }).click();
    await sheet().locator('[name=shop]').fill(shop);
    await sheet().locator('[name=name]').fill(`Tea ${mark}`);
    await press('Add');
    await row(shop).waitFor();
    await page.locator('#shop').selectOption({ label: `Tea ${mark}` });
  });

  await step('the shop gets its first admin, who signs in', async () => {
    await go('agents');
    await page.getByRole('button', { name: 'Add an agent' }).click();
    await sheet().locator('[name=uid]').fill(dora);
    await sheet().locator('[name=name]').fill('Dora');
    await sheet().locator('[name=role]').selectOption('admin');
    await sheet().locator('[name=password]').fill('a long password');
    await sheet().locator('[name=must_change_password]').uncheck();
    await press('Add');
    await row(dora).waitFor();
    const desk = await Agent.signsInAt((await cast.stranger()).page, dora, 'a long password');
    assert.equal(await desk.page.locator('#shop-name').textContent(), `Tea ${mark}`);
  });

  await step('its settings and what it keeps are set', async () => {
    await go('settings');
    await page.locator('.settings [name=origins]').fill('https://tea.example');
    await page.locator('.settings [name=retention_messages]').fill('365');
    await page.locator('.settings').getByRole('button', { name: 'Save' }).click();
    await page.locator('.toast', { hasText: 'Saved' }).waitFor();
    await page.reload();
    await page.locator('.settings [name=name]').waitFor();
    assert.equal(await page.locator('.settings [name=origins]').inputValue(), 'https://tea.example');
    assert.equal(await page.locator('.settings [name=retention_messages]').inputValue(), '365');
    await page.locator('.settings code', { hasText: `data-shop="${shop}"` }).waitFor();
  });

  await step('it is disabled, and enabled again', async () => {
    await go('shops');
    await row(shop).getByRole('button', { name: 'Disable' }).click();
    await press('Disable');
    await row(shop).locator('.chip', { hasText: 'Disabled' }).waitFor();
    await row(shop).getByRole('button', { name: 'Enable' }).click();
    await press('Enable');
    await row(shop).getByRole('button', { name: 'Disable' }).waitFor();
  });

  await step('all of it is in the shop\'s audit list', async () => {
    await go('audit');
    for (const what of ['agent.added', 'shop.changed']) await page.locator('tbody code', { hasText: what }).first().waitFor();
  });
});
