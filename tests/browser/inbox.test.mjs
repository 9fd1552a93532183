// The console's lists (web/console/inbox.js): what is told while they are read is newer than they are.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const source = readFileSync(new URL('../../web/console/inbox.js', import.meta.url), 'utf8');
const { Inbox, inOrder } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const from = { uid: 'b1', role: 'buyer' };
const summary = (fields) => ({ id: 7, state: 'waiting', claimed_by: null, claim_version: 0, last_seq: 1, unread: 1, waiting_since: '1', updated_at: '1', ...fields });

/** An inbox whose lists are read, and not yet there. */
function reading() {
  /** @type {((pages: object[]) => void)[]} */ const asked = [];
  const client = { welcome: { user: { uid: 'a1' } }, inbox: ({ state }) => new Promise((resolve) => { asked.push((list) => resolve({ conversations: state === 'waiting' ? list : [], next: null })); }) };
  const inbox = new Inbox({ client, shop: 'acme' });
  const loaded = inbox.load();
  return { inbox, arrive: (list) => { for (const one of asked) one(list); return loaded; } };
}

test('a conversation that opens while the lists are read is there afterwards', async () => {
  const { inbox, arrive } = reading();
  inbox.update(summary({}));
  await arrive([]);
  assert.deepEqual(inbox.tabs.waiting.map(({ id }) => id), [7]);
});

test('a claim, a message and a look that come meanwhile are not undone', async () => {
  const { inbox, arrive } = reading();
  inbox.note({ conversation: 7, seq: 2, from, content: { kind: 'text', text: 'two' }, at: '2' }, false);
  inbox.update(summary({ state: 'claimed', claimed_by: { uid: 'a1' }, claim_version: 1, last_seq: 2, unread: 2 }));
  inbox.seen(7, 2);
  await arrive([summary({})]);
  const [mine] = inbox.tabs.mine;
  assert.deepEqual([mine.claim_version, mine.last_seq, mine.unread], [1, 2, 0]);
});

test('what is older than what is known changes nothing', async () => {
  const { inbox, arrive } = reading();
  await arrive([summary({ last_seq: 5, claim_version: 2 })]);
  assert.equal(inbox.update(summary({ last_seq: 9, claim_version: 1 })).claim_version, 2);
  assert.equal(inbox.update(summary({ last_seq: 4, claim_version: 2 })).last_seq, 5);
});

test('who waits longest is on top, elsewhere who was heard of last', () => {
  const list = [summary({ id: 1, waiting_since: '2', updated_at: '3' }), summary({ id: 2, waiting_since: '1', updated_at: '9' })];
  assert.deepEqual(inOrder('waiting', [...list]).map(({ id }) => id), [2, 1]);
  assert.deepEqual(inOrder('mine', [...list].reverse()).map(({ id }) => id), [2, 1]);
});
