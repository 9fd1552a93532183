/**
 * The desk: one conversation of the shop in front of an agent, with what may be done to it. Who has
 * not claimed it reads along.
 */

import { rest } from '/assets/api.js';
import { avatar, el, icon } from '/assets/dom.js';
import { explain, nameOf, t } from '/assets/i18n.js';
import { moment } from '/assets/page.js';
import { Buyer } from '/assets/console/buyer.js';
import { Canned } from '/assets/console/canned.js';
import { Room } from '/assets/room.js';
import { toast } from '/assets/toast.js';

const FILES = 'image/*,application/pdf,text/plain,application/zip';
const LEADS = new Set(['supervisor', 'admin']);

/** @typedef {import('/assets/sdk/shopbell.js').Summary} Summary */

export class Desk {
  /** What was opened stays, with its drafts. @type {Map<number, Room>} */ #rooms = new Map();
  /** @type {Room|null} */ #room = null;
  #head = el('header.desk-head');
  #body = el('div.desk-body');
  #foot = el('p.along');
  /** @type {Buyer} */ #buyer;
  /** @type {Map<number, Canned>} */ #canned = new Map();

  root = el('section.desk-inner');

  /**
   * @param {object} options
   * @param {import('/assets/sdk/shopbell.js').Shopbell} options.client
   * @param {string} options.token
   * @param {{shop: string, role: string}} options.shop
   * @param {(summary: Summary) => void} options.onUpdate an act of this agent has changed it
   * @param {(id: number) => void} options.onSeen its messages are on screen
   * @param {(message: object) => void} options.onSent
   * @param {() => void} options.onClose
   */
  constructor({ client, token, shop, onUpdate, onSeen, onSent, onClose }) {
    Object.assign(this, { client, token, shop, onUpdate, onSeen, onSent, onClose });
    this.#buyer = new Buyer({ shop: shop.shop, token });
    this.root.append(el('div.desk-main', {}, this.#head, this.#body, this.#foot), this.#buyer.root);
  }

  /** @param {Summary|null} summary */
  open(summary) {
    this.#room?.look(false);
    this.#room = summary ? this.#roomOf(summary) : null;
    this.#body.replaceChildren(...(this.#room ? [this.#room.thread.root, this.#room.composer.root] : []));
    this.#draw();
    if (!this.#room) return this.#buyer.show();
    this.#room.thread.toEnd();
    this.#catchUp(this.#room);
    this.#buyer.show(summary);
    this.#canned.get(summary.id)?.load();
    if (this.#isMine) this.#room.composer.focus();
  }

  /** @param {Summary} summary the newest, of any conversation */
  update(summary) {
    const room = this.#rooms.get(summary.id);
    if (!room) return;
    room.summary = summary;
    if (room !== this.#room) return;
    this.#draw();
    this.#buyer.show(summary);
    // Of a conversation that is not this agent's only the news comes, not the messages.
    if (summary.last_seq > room.thread.lastSeq) this.#catchUp(room);
  }

  /** After a reconnection: what is open is read again, the rest when it is opened. */
  reload(inbox) {
    for (const [id, room] of this.#rooms) room.summary = inbox.get(id) ?? room.summary;
    if (!this.#room) return;
    this.#draw();
    this.#catchUp(this.#room);
  }

  on(frame) {
    const room = this.#rooms.get(frame.conversation);
    room?.on(frame);
    if (frame.type === 'message' && room === this.#room && this.#isLookedAt) this.onSeen(frame.conversation);
  }

  /** Which page a buyer looks at. */
  onPage(frame, claim) { this.#buyer.looksAt(frame, claim); }

  /** A buyer has come, or has gone. */
  onPresence(frame) { this.#buyer.isHere(frame); }

  isShowing(id) { return this.#room?.summary.id === id && this.#isLookedAt; }

  look() {
    this.#room?.look(this.#isLookedAt && this.#isMine);
    if (this.#room && this.#isLookedAt && this.#isMine) this.onSeen(this.#room.summary.id);
  }

  redraw() {
    for (const room of this.#rooms.values()) room.redraw();
    this.#draw();
  }

  get #isLookedAt() { return document.visibilityState === 'visible'; }
  get #isMine() {
    const summary = this.#room?.summary;
    return summary?.state === 'claimed' && summary.claimed_by?.uid === this.client.welcome.user.uid;
  }

  #roomOf(summary) {
    let room = this.#rooms.get(summary.id);
    if (!room) {
      room = new Room({
        client: this.client,
        side: 'shop',
        to: { conversation: summary.id },
        token: () => this.token,
        accept: FILES,
        onFault: (error) => toast(explain(error)),
        onStored: ({ conversation, seq, at }, content) => {
          this.onSent({ conversation, seq, at, content, from: { ...this.client.welcome.user, role: 'agent' } });
        },
      });
      this.#rooms.set(summary.id, room);
      this.#canned.set(summary.id, new Canned(room.composer, { shop: this.shop.shop, conversation: summary.id, token: this.token }));
    }
    room.summary = summary;
    return room;
  }

  async #catchUp(room) {
    try {
      await room.load();
      if (room === this.#room) this.look();
    } catch (error) {
      if (error.code !== 'closed') toast(explain(error));
    }
  }

  /** The main thing to do with what is open, by key. */
  claim() { if (this.#room && this.#room.summary.state !== 'claimed') this.#claim(); }

  // What may be done -------------------------------------------------------------------------

  async #claim() {
    const { summary } = this.#room;
    try {
      const { conversation } = await this.client.claim(summary.id);
      this.onUpdate(conversation);
      this.look();
      this.#room?.composer.focus();
    } catch (error) {
      const faster = error.detail?.claimed_by;
      if (error.code !== 'already_claimed' || !faster) return toast(explain(error));
      toast(t('faster', { name: nameOf(faster) }));
      if (this.#room?.summary.state !== 'claimed') this.onUpdate({ ...summary, state: 'claimed', claimed_by: faster });
    }
  }

  /** @param {'resolve'|'release'} what */
  async #end(what) {
    try {
      const { conversation } = await this.client[what](this.#room.summary.id);
      this.onUpdate(conversation);
    } catch (error) {
      toast(explain(error));
    }
  }

  async #transfer() {
    const { id } = this.#room.summary;
    const colleague = await askColleague(this.shop.shop, this.token, this.client.welcome.user.uid);
    if (colleague) this.#give(id, colleague);
  }

  async #give(id, colleague) {
    try {
      const { conversation } = await this.client.transfer(id, colleague.uid);
      toast(t('transferred', { name: nameOf(conversation.claimed_by ?? colleague) }));
      this.onUpdate(conversation);
    } catch (error) {
      toast(explain(error));
    }
  }

  // How it looks -----------------------------------------------------------------------------

  #draw() {
    const summary = this.#room?.summary;
    this.root.classList.toggle('blank', !summary);
    if (!summary) {
      this.#head.replaceChildren();
      this.#foot.replaceChildren(el('b', {}, t('pick')), el('span', {}, t('pick_line')));
      this.#foot.hidden = false;
      return;
    }
    const mine = this.#isMine;
    const name = nameOf(summary.buyer);
    const act = (key, run, style = 'quiet') => el(`button.${style}`, { type: 'button', 'data-act': key, onclick: run }, t(key));
    const leads = LEADS.has(this.shop.role);
    const claimed = summary.state === 'claimed';
    this.#head.replaceChildren(
      el('button.round.back', { type: 'button', 'aria-label': t('close'), onclick: () => this.onClose() }, icon('back')),
      avatar(summary.buyer, name),
      el('div.about', {}, el('strong', {}, name), el(`span.chip.${mine ? 'mine' : summary.state}`, {}, chip(summary, mine))),
      el('div.acts', {},
        !claimed && act(summary.state === 'resolved' ? 'reopen' : 'claim', () => this.#claim(), 'main'),
        leads && claimed && !mine && act('take_over', () => this.#give(summary.id, this.client.welcome.user), 'main'),
        (mine || (leads && summary.state !== 'resolved')) && act('transfer', () => this.#transfer()),
        (mine || (leads && claimed)) && act('release', () => this.#end('release')),
        (mine || (leads && summary.state !== 'resolved')) && act('resolve', () => this.#end('resolve'), mine ? 'main' : 'quiet')));
    this.#room.composer.root.hidden = !mine;
    this.#foot.hidden = mine;
    this.#foot.textContent = mine ? '' : t(`read_along_${summary.with_bot ? 'with_bot' : summary.state}`, { name: nameOf(summary.claimed_by) });
  }
}

function chip(summary, mine) {
  if (mine) return t('chip_mine');
  if (summary.state === 'claimed') return t(summary.with_bot ? 'chip_with_bot' : 'chip_claimed', { name: nameOf(summary.claimed_by) });
  if (summary.state === 'resolved') return t('chip_resolved');
  return summary.waiting_since ? t('chip_waiting_since', { time: moment(summary.waiting_since) }) : t('chip_waiting');
}

/**
 * Asks whom to transfer to: from the list where this agent may see it, else by user id.
 * @returns {Promise<{uid: string, name?: string}|null>}
 */
async function askColleague(shop, token, self) {
  const dialog = document.getElementById('transfer');
  const form = document.getElementById('transfer-form');
  const byUid = document.getElementById('transfer-uid');
  const answer = await rest('GET', `/shops/${encodeURIComponent(shop)}/agents?limit=100`, { token }).catch(() => null);
  const colleagues = answer?.items?.filter(({ uid }) => uid !== self) ?? [];
  return new Promise((resolve) => {
    const done = (colleague) => {
      form.onsubmit = dialog.onclose = null;
      dialog.close();
      resolve(colleague);
    };
    document.getElementById('colleagues').replaceChildren(...colleagues.map((user) => el('button.colleague',
      { type: 'button', 'data-uid': user.uid, onclick: () => done(user) },
      avatar(user, nameOf(user)), el('span', {}, nameOf(user)), user.role && el('small', {}, t(`role_${user.role}`)))));
    byUid.hidden = document.getElementById('transfer-go').hidden = colleagues.length > 0;
    form.elements.uid.value = '';
    form.onsubmit = (event) => {
      event.preventDefault();
      const uid = form.elements.uid.value.trim();
      if (uid) done({ uid });
    };
    document.getElementById('transfer-cancel').onclick = () => done(null);
    dialog.onclose = () => done(null);
    dialog.showModal();
  });
}
