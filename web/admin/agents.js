/** Who works in the shop: added, changed, disabled, removed. */

import { avatar, el } from '/assets/dom.js';
import { nameOf, t } from '/assets/i18n.js';
import { listing } from '/assets/admin/listing.js';
import { ask } from '/assets/admin/sheet.js';

const ROLES = ['agent', 'supervisor', 'admin'];
const roles = () => ROLES.map((role) => [role, t(`role_${role}`)]);
const capacity = (text) => (text === '' ? null : Number(text));

/** @param {import('/assets/admin/admin.js').View} view */
export function agents(view) {
  const path = `${view.of}/agents`;
  const one = ({ uid }) => `${path}/${encodeURIComponent(uid)}`;

  const add = () => ask({
    title: t('agent_add'),
    act: t('add'),
    fields: [
      { name: 'uid', label: t('uid'), attributes: { required: true, autocapitalize: 'none' } },
      { name: 'name', label: t('name') },
      { name: 'role', label: t('role'), value: 'agent', options: roles() },
      { name: 'password', label: t('password'), type: 'password', hint: t('agent_password_hint'), attributes: { autocomplete: 'new-password' } },
      { name: 'must_change_password', label: t('agent_must_change'), type: 'check', value: true },
      { name: 'capacity', label: t('capacity'), type: 'number', hint: t('capacity_hint'), attributes: { min: '1' } },
    ],
    run: ({ uid, name, role, password, must_change_password, capacity: most }) => view.api('POST', path, {
      uid, role, name: name || undefined, capacity: capacity(most) ?? undefined, ...(password && { password, must_change_password }),
    }),
  }).then((done) => done && list.load());

  const change = (agent) => ask({
    title: t('agent_change', { name: nameOf(agent) }),
    act: t('save'),
    fields: [
      { name: 'role', label: t('role'), value: agent.role, options: agent.role === 'bot' ? [['bot', t('role_bot')]] : roles() },
      { name: 'capacity', label: t('capacity'), type: 'number', value: agent.capacity ?? '', hint: t('capacity_hint'), attributes: { min: '1' } },
      { name: 'password', label: t('password_new'), type: 'password', hint: t('agent_reset_hint'), attributes: { autocomplete: 'new-password' } },
      { name: 'disabled', label: t('agent_disabled'), type: 'check', value: agent.disabled },
    ],
    run: ({ role, capacity: most, password, disabled }) => view.api('PATCH', one(agent), {
      role, capacity: capacity(most), ...(disabled !== Boolean(agent.disabled) && { disabled }),
      ...(password && { password, must_change_password: true }),
    }),
  }).then((done) => done && list.load());

  const remove = (agent) => ask({
    title: t('agent_remove', { name: nameOf(agent) }),
    line: t('agent_remove_line'),
    act: t('remove'),
    run: () => view.api('DELETE', one(agent)),
  }).then((done) => done && list.load());

  const button = (words, run) => el('button.quiet', { type: 'button', onclick: (event) => { event.stopPropagation(); run(); } }, words);
  const list = listing({
    view,
    path,
    onOpen: change,
    columns: [
      { head: t('name'), cell: (agent) => el('span.person', {}, avatar(agent, nameOf(agent)), el('span', {}, nameOf(agent))) },
      { head: t('uid'), cell: ({ uid }) => el('code', {}, uid) },
      { head: t('role'), cell: ({ role }) => t(`role_${role}`) },
      { head: t('status'), cell: ({ status, disabled }) => el(`span.chip.${disabled ? 'off' : status}`, {}, t(disabled ? 'disabled' : status === 'online' ? 'on_duty' : 'away')) },
      { head: t('capacity'), cell: ({ capacity: most }) => (most === null ? '∞' : String(most)) },
      { head: '', cell: (agent) => el('span.does', {}, button(t('change'), () => change(agent)), button(t('remove'), () => remove(agent))) },
    ],
  });
  return el('div', {}, el('header.head', {}, el('h2', {}, t('section_agents')), el('button.main', { type: 'button', onclick: add }, t('agent_add'))), list.root);
}
