/**
 * What the tabs of one person tell each other in a browser: the server tells only others what a person has read, and how it has set itself.
 */

const channel = globalThis.BroadcastChannel ? new BroadcastChannel('shopbell') : null;

/**
 * @typedef {object} News
 * @property {string} uid whose tabs it concerns
 * @property {{conversation: number, seq: number}} [seen] a conversation has been shown up to this message
 * @property {{shop: string, status: 'online'|'away'}} [status] an agent has gone on duty, or away
 */

/** @param {News} news */
export function tellTabs(news) { channel?.postMessage(news); }

/** @param {(news: News) => void} run for what another tab has told */
export function onTabs(run) { channel?.addEventListener('message', ({ data }) => run(data)); }
