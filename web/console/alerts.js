/** What calls an agent who looks elsewhere: a sound, and a notification of the desktop where it is allowed. */

import * as bell from '/assets/bell.js';
import { t } from '/assets/i18n.js';

/** Asks once, by a click: browsers refuse it otherwise. */
export function allow() {
  if (globalThis.Notification?.permission === 'default') Notification.requestPermission().catch(() => {});
}

/**
 * @param {object} what
 * @param {string} what.title who calls
 * @param {string} what.body what was said
 * @param {string} what.tag a later call of the same conversation replaces this one
 * @param {() => void} what.onClick
 */
export function call({ title, body, tag, onClick }) {
  bell.ring();
  if (document.visibilityState === 'visible' || globalThis.Notification?.permission !== 'granted') return;
  const notification = new Notification(title || t('new_messages'), { body, tag, icon: '/assets/pictures/bell.svg' });
  notification.onclick = () => {
    window.focus();
    onClick();
    notification.close();
  };
}
