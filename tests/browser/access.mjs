// Every page in every state that matters, light and dark, in both languages, on a phone and on a desk: axe-core finds nothing to mend,
// and what a mouse can do the keyboard can.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Buyer, launch, need, stillness, url, WAITS_MS } from './people.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await launch();
const found = [];
let looked = 0;

async function open(options) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(WAITS_MS);
  return page;
}

/** Waits until what moves, and has an end, has come to it: colours on their way are nobody's to read. */
async function atRest(page) {
  await page.evaluate(async () => {
    const roots = [document, ...[...document.querySelectorAll('*')].flatMap((element) => element.shadowRoot ?? [])];
    const moving = roots.flatMap((root) => root.getAnimations()).filter((animation) => animation.effect.getComputedTiming().endTime < Infinity);
    await Promise.allSettled(moving.map((animation) => animation.finished));
  });
}

async function look(page, what) {
  await page.evaluate(axe);
  await atRest(page);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  looked++;
  for (const { id, help, nodes } of violations) {
    found.push(`${what}: ${id} (${help})\n${nodes.slice(0, 4).map((node) => `    ${node.target.join(' ')}  ${node.failureSummary.split('\n').slice(1).join(' ').trim().slice(0, 200)}`).join('\n')}`);
  }
}

const WAYS = [
  { locale: 'en-GB', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { locale: 'zh-CN', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { locale: 'en-GB', colorScheme: 'dark', viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true },
];
try {
  for (const way of WAYS) {
    const name = `${way.locale}, ${way.colorScheme}, ${way.viewport.width} px`;
    const buyer = await open(way);
    const person = await Buyer.at(buyer, 'buyer');
    await buyer.goto(`${url}/demo`);
    await look(buyer, `demo, ${name}`);
    if (await buyer.locator('.launcher').isVisible()) await buyer.locator('.launcher').click();
    const said = `access ${way.locale} ${way.viewport.width} ${Date.now()}`;
    await buyer.locator('.composer textarea').fill(said);
    await buyer.keyboard.press('Enter');
    await buyer.locator('.tick[data-state=stored]').waitFor();
    await buyer.locator('.smile').click();
    await look(buyer, `widget, ${name}`);
    await person.losesNetwork();
    await person.says(`${said}, on its way`);
    await buyer.locator('.row.pending').waitFor();
    await look(buyer, `widget without a network, ${name}`);
    person.regainsNetwork();
    await person.seesTick(`${said}, on its way`, 'stored');

    const agent = await open(way);
    await agent.goto(`${url}/agent`);
    await look(agent, `sign-in, ${name}`);
    await agent.locator('#login input[name=uid]').fill(need('AGENT_UID'));
    await agent.locator('#login input[name=password]').fill(need('AGENT_PASSWORD'));
    await agent.keyboard.press('Enter');
    await agent.locator('.tabs [data-tab=waiting]').click();
    await agent.locator('.list .item', { hasText: said }).waitFor();
    await look(agent, `console, ${name}`);
    await agent.locator('.list .item', { hasText: said }).click();
    await agent.locator('.desk-head [data-act=claim]').waitFor();
    if (way.viewport.width > 700) {
      // By keys alone: C claims, the reply is written and sent, Escape and / reach the search.
      await agent.locator('.list .item.opened').focus();
      await agent.keyboard.press('c');
      await agent.locator('.composer:visible').waitFor();
      await agent.keyboard.type('by keys');
      await agent.keyboard.press('Enter');
      await agent.locator('.row.own', { hasText: 'by keys' }).waitFor();
      await look(agent, `desk, ${name}`);
      await agent.locator('[data-act=transfer]').click();
      await agent.locator('#transfer[open]').waitFor();
      await look(agent, `transfer, ${name}`);
      await agent.keyboard.press('Escape');
      await agent.locator('[data-act=resolve]').focus();
      await agent.keyboard.press('Enter');
      await buyer.locator('.rating').waitFor();
      await look(buyer, `rating, ${name}`);
      await buyer.locator('.rating button').nth(3).focus();
      await buyer.keyboard.press('Enter');
      await buyer.locator('.rating [role=status]').waitFor();
    } else {
      await look(agent, `desk, ${name}`);
    }
    await buyer.context().close();
    await agent.context().close();

    const admin = await open(way);
    const still = stillness(admin);
    await admin.goto(`${url}/admin`);
    await admin.locator('#login input[name=uid]').fill(need('AGENT_UID'));
    await admin.locator('#login input[name=password]').fill(need('AGENT_PASSWORD'));
    await admin.keyboard.press('Enter');
    await admin.locator('.tiles .tile').first().waitFor();
    for (const section of ['board', 'statistics', 'records', 'messages', 'tickets', 'agents', 'replies', 'settings', 'audit']) {
      await admin.goto(`${url}/admin#/${section}`);
      await admin.locator(`.sections a[href="#/${section}"][aria-current]`).waitFor();
      await still();
      await look(admin, `dashboard's ${section}, ${name}`);
    }
    await admin.goto(`${url}/admin#/agents`);
    await admin.locator('.head .main').click();
    await look(admin, `dashboard's sheet, ${name}`);
    await admin.context().close();
  }
  assert.equal(found.length, 0, `${found.length} violations`);
  console.log(`access: ${looked} pages and states, nothing to mend`);
} catch (error) {
  console.error(`access: FAILED\n${error.stack ?? error}\n${found.join('\n')}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
