// Hostile words through every field that the dashboard shows: names of buyers, agents and shops, messages, files, replies, ratings, what the
// audit list keeps of changes, filters and addresses. None runs, none leaves its box.

import assert from 'node:assert/strict';
import { launch, need, Person, stillness, url } from './people.mjs';
import { look, SCRIPTS, TRICKS, watched } from './payloads.mjs';
import { api, done, each, login, say, signed } from './shop.mjs';

const WORDS = [...SCRIPTS, ...TRICKS];
const SECTIONS = ['board', 'statistics', 'records', 'messages', 'tickets', 'agents', 'replies', 'settings', 'audit'];
/** A list is read to its end, or until this many pages. */
const PAGES = 12;

const browser = await launch();
const faults = [];
const stored = {};
let refused = 0;
/** Counts what a field has come to: taken, or refused as invalid; anything else is a fault. */
function count(field, { status, answer }) {
  if (status < 300) stored[field] = (stored[field] ?? 0) + 1;
  else if (status === 400) refused++;
  else throw new Error(`${field}: ${status} ${JSON.stringify(answer)}`);
}

let doing = 'starting';
try {
  const admin = await login();
  doing = 'filling every field';
  await each(WORDS.map((word, place) => [word, place]), async ([word, place]) => {
    const uid = `hostile-${place}`;
    const name = word.slice(0, 100);
    let opened = await say(uid, word, { name });
    count('buyer, message', opened);
    if (opened.status >= 300) opened = await say(uid, 'Hello');
    const path = `/conversations/${opened.answer.conversation}`;
    count('file', await say(uid, { kind: 'file', url: '/files/00000000000000000000000000000000/x', name: word.slice(0, 200), size: 1 }));
    count('order', await say(uid, { kind: 'order', id: word.slice(0, 100), title: word.slice(0, 500), status: word.slice(0, 100), amount: '1' }));
    await done('POST', `${path}/claim`, admin);
    count('edit', await api('PATCH', `${path}/messages/1`, admin, { content: { kind: 'text', text: `${word} ` + 'edited' } }));
    if (place % 3) {
      await done('POST', `${path}/resolve`, admin);
      count('rating', await api('POST', `${path}/rating`, signed(uid), { score: 1, comment: word.slice(0, 400) }));
    }
    count('agent', await api('POST', '/shops/demo/agents', admin, { uid: `hostile-agent-${place}`, name, role: 'agent' }));
    const reply = { shortcut: word.replace(/\s/g, '').slice(0, 24), group: word.slice(0, 60), text: word };
    count('reply', await api('POST', '/shops/demo/replies', admin, reply));
  }, 4);
  for (const word of WORDS) count('shop', await api('PATCH', '/shops/demo', admin, { name: word.slice(0, 100) }));
  await done('PATCH', '/shops/demo', admin, { name: SCRIPTS[1] });
  const total = Object.values(stored).reduce((sum, one) => sum + one, 0);
  assert.ok(total >= 400, JSON.stringify(stored));

  const page = await watched(browser, 'dashboard', { width: 1300, height: 800 }, faults);
  const still = stillness(page);
  const boxes = ['.section', '.bar', '.sections', '.record', '.sheet', 'td.wide'];
  const clean = async (what) => {
    await still();
    assert.deepEqual(await look(page, boxes), [], what);
  };
  await page.goto(`${url}/admin`);
  await new Person('admin', page).passes(need('AGENT_UID'), need('AGENT_PASSWORD'));
  await page.locator('.tiles .tile').first().waitFor();
  const go = async (hash) => {
    await page.goto(`${url}/admin#/${hash}`);
    await page.locator(`.sections a[href="#/${hash.split('?')[0]}"][aria-current]`).waitFor();
    await still();
  };
  let rows = 0;
  for (const section of SECTIONS) {
    doing = `the dashboard's ${section}`;
    await go(section === 'messages' ? 'messages?q=edited' : section);
    for (let pages = 1; pages < PAGES && await page.locator('.more:visible').count(); pages++) {
      await page.locator('.more:visible').click();
      await still();
    }
    rows += await page.locator('tbody tr').count();
    await clean(section);
    // The same words typed into its filters, where they come into the address, too.
    const filter = page.locator('.filters input:not([type=date])');
    for (let at = 0; at < await filter.count(); at++) {
      for (const word of SCRIPTS.slice(0, 8)) await filter.nth(at).fill(word);
      await clean(`${section}, filter ${at}`);
      await filter.nth(at).fill('');
    }
  }
  assert.ok(rows > 400, `${rows} rows`);

  doing = 'a record, and what is asked over it';
  for (const word of [SCRIPTS[0], SCRIPTS[1], TRICKS[0], 'W'.repeat(2_000)]) {
    const { items } = await done('GET', `/shops/demo/conversations?q=hostile-${WORDS.indexOf(word)}`, admin);
    await go(`records?conversation=${items[0].id}`);
    await page.locator('.record li').nth(1).waitFor();
    await clean('a record');
    await page.locator('[data-act=edit]').first().click();
    await clean('an edit');
    await page.keyboard.press('Escape');
  }
  for (const [section, buttons] of [['agents', ['Change', 'Remove']], ['replies', ['Remove']]]) {
    doing = `what is asked over ${section}`;
    await go(section);
    for (const button of buttons) {
      for (let at = 1; at < 12; at += 5) {
        await page.getByRole('button', { name: button, exact: true }).nth(at).click();
        await page.locator('dialog[open]').waitFor();
        await clean(`${button} in ${section}`);
        await page.keyboard.press('Escape');
      }
    }
  }

  doing = 'addresses';
  for (const word of SCRIPTS) {
    await page.evaluate((hash) => { location.hash = hash; }, `#/records?q=${word}&state=${encodeURIComponent(word)}`);
    await page.evaluate((hash) => { location.hash = hash; }, `#/${word}`);
  }
  await clean('addresses');

  doing = 'an operator\'s shops';
  const boss = await watched(browser, 'operator', { width: 1300, height: 800 }, faults);
  await boss.goto(`${url}/admin#/shops`);
  await new Person('operator', boss).passes(need('OPERATOR_UID'), need('OPERATOR_PASSWORD'));
  await boss.locator('tbody tr').first().waitFor();
  assert.deepEqual(await look(boss, boxes), []);

  assert.deepEqual(faults, []);
  console.log(`hostile dashboard: ${total} stored (${Object.entries(stored).map(([field, n]) => `${field} ${n}`).join(', ')}), ${refused} refused, ${rows} rows looked at: none ran, none left its box`);
} catch (error) {
  console.error(`hostile dashboard: FAILED while at ${doing}\n${error.stack ?? error}\n${faults.join('\n')}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
