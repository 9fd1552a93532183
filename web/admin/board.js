/** The shop as it is: who waits, who is on duty, and today's figures; read again every few seconds. */

import { avatar, el } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { count, tile, tiles, time } from '/assets/admin/figures.js';

const EVERY_MS = 5_000;
const AMBER_MS = 100_000;
const RED_MS = 180_000;

/** @param {import('/assets/admin/admin.js').View} view */
export function board(view) {
  const live = el('div.tiles', { 'aria-live': 'polite' });
  const today = el('div');
  const people = el('div.tiles.people');

  async function read() {
    const { now, total, agents } = await view.api('GET', `${view.of}/stats`);
    const oldest = now.oldest_wait;
    live.replaceChildren(
      tile(t('b_waiting'), count(now.waiting.count), { path: now.waiting.tickets, level: now.waiting.count ? 'amber' : '' }),
      tile(t('b_oldest'), oldest ? time(oldest.wait_ms) : '–', {
        path: oldest?.tickets, level: !oldest ? '' : oldest.wait_ms >= RED_MS ? 'red' : oldest.wait_ms >= AMBER_MS ? 'amber' : '',
      }),
      tile(t('b_claimed'), count(now.claimed.count), { path: now.claimed.tickets }),
      tile(t('b_online'), count(now.agents_online)),
      tile(t('b_away'), count(now.agents_away)),
      ...(now.webhooks.switched_off ? [tile(t('b_webhooks_off'), count(now.webhooks.switched_off), { level: 'red' })] : []),
      ...(now.webhooks.dead_letters ? [tile(t('b_dead_letters'), count(now.webhooks.dead_letters), { level: 'amber' })] : []));
    today.replaceChildren(tiles(total));
    people.replaceChildren(...agents.map(({ agent, claimed, resolved, first_response }) => el('div.tile', {},
      el('span.person', {}, avatar(agent, nameOf(agent)), el('span', {}, nameOf(agent))),
      el('span', {}, t('b_agent', { claimed: count(claimed.count), resolved: count(resolved.count), first: time(first_response.median_ms) })))));
  }

  read();
  view.every(() => read().catch(() => {}), EVERY_MS);
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_board'))), live, el('h3', {}, t('b_today')), today, people);
}
