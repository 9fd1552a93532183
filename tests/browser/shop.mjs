// What the platform of a shop does beside the pages: signs tokens for its buyers, calls the API, has many people write.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { need, url } from './server.mjs';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A token as the shop's own back end signs it. @param {string} sub the buyer @param {object} [claims] such as name and avatar */
export function signed(sub, claims = {}) {
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, exp: Math.floor(Date.now() / 1000) + 3_600, ...claims })}`;
  return `${text}.${createHmac('sha256', need('SHOPBELL__AUTH__SECRET')).update(text).digest('base64url')}`;
}

/** Waits where it is told to slow down. @returns {Promise<{status: number, answer: any}>} */
export async function api(method, path, token, body) {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  for (;;) {
    const answer = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (answer.status !== 429) return { status: answer.status, answer: await answer.json().catch(() => null) };
    await pause(Number(answer.headers.get('retry-after') ?? 0) * 100 || 100);
  }
}

/** The same where it must go well. @returns {Promise<any>} the answer */
export async function done(method, path, token, body) {
  const { status, answer } = await api(method, path, token, body);
  assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(answer)}`);
  return answer;
}

export async function login(uid = need('AGENT_UID'), password = need('AGENT_PASSWORD')) {
  return (await done('POST', '/login', '', { uid, password })).token;
}

let count = 0;
/** A buyer writes to the demo shop. */
export function say(uid, content, claims) {
  const message = { id: `s${Date.now()}-${count++}`, to: { shop: 'demo' }, content: typeof content === 'string' ? { kind: 'text', text: content } : content };
  return api('POST', '/messages', signed(uid, claims), message);
}

/** Runs `work` for each of these, a few at a time. */
export async function each(list, work, together = 16) {
  const rest = [...list];
  await Promise.all(Array.from({ length: together }, async () => { while (rest.length) await work(rest.shift()); }));
}
