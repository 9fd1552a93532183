// The people of the browser stories: a buyer on the demo page, agents at their consoles, each in a
// browser profile of its own. They act and look only through what is on the page.

import { chromium } from 'playwright-core';
import { need, url } from './server.mjs';

export { need, url };

/** How long a step may take, ms: machines are shared. */
export const WAITS_MS = 15_000;

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

/** @returns {() => Promise<void>} waits until everything that the page has asked for is there, and drawn */
export function stillness(page) {
  let asked = 0;
  page.on('request', () => { asked++; });
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, () => { asked--; });
  return async () => {
    for (let still = 0; still < 3;) {
      await page.waitForTimeout(30);
      still = asked > 0 ? 0 : still + 1;
    }
  };
}

export class Person {
  static async comes(browser, name, options = {}) {
    return new Person(name, await (await browser.newContext({ locale: 'en-GB', ...options })).newPage());
  }

  /** What went wrong in the page, though nobody clicked wrong: exceptions and refused resources. */
  faults = [];

  constructor(name, page) {
    this.name = name;
    this.page = page;
    page.setDefaultTimeout(WAITS_MS);
    page.on('pageerror', (error) => this.faults.push(`${name}: ${error.message}`));
    page.on('console', (line) => {
      if (line.type() === 'error' && /Content Security Policy|Refused to/.test(line.text())) this.faults.push(`${name}: ${line.text()}`);
    });
  }

  /** Through the gate of the console or the dashboard. */
  async passes(uid, password) {
    await this.page.locator('#login input[name=uid]').fill(uid);
    await this.page.locator('#login input[name=password]').fill(password);
    await this.page.locator('#login [type=submit]').click();
  }

  async says(text) {
    const input = this.page.locator('.composer:visible textarea');
    await input.fill(text);
    await input.press('Enter');
  }

  /** The row of a message with exactly this text. */
  message(text) {
    return this.page.locator('.thread .row:not(.pending)', { has: this.page.getByText(text, { exact: true }) });
  }

  /** Every message on screen, in order. @returns {Promise<string[]>} */
  async thread() { return this.page.locator('.thread .row:not(.pending) .text').allInnerTexts(); }

  async sees(text) { await this.message(text).waitFor(); }

  /** @param {'stored'|'delivered'|'read'} state what the ticks of one's own message have come to */
  async seesTick(text, state) {
    await this.message(text).locator(`.tick[data-state="${state}"]`).waitFor();
  }
}

export class Buyer extends Person {
  static async arrives(browser, name = 'buyer', options = {}) {
    const buyer = await Buyer.at(await (await browser.newContext({ locale: 'en-GB', ...options })).newPage(), name);
    await buyer.opens();
    return buyer;
  }

  /** At a blank page, such as another tab of a browser. */
  static async at(page, name) {
    const buyer = new Buyer(name, page);
    await page.routeWebSocket('**/ws', (socket) => buyer.#connects(socket));
    return buyer;
  }

  #cut = false;
  #socket = null;

  #connects(socket) {
    if (this.#cut) return socket.close();
    this.#socket = socket;
    socket.connectToServer();
  }

  /** The network goes away under an open page: the socket breaks, and no other opens. */
  async losesNetwork() {
    this.#cut = true;
    await this.#socket.close();
    await this.page.locator('.chat[data-state="offline"]').waitFor();
  }

  regainsNetwork() { this.#cut = false; }

  async opens() {
    await this.page.goto(`${url}/demo`);
    await this.page.locator('.chat:not([data-state="offline"])').waitFor();
  }

  async seesState(pattern) { await this.page.locator('.chat-head p', { hasText: pattern }).waitFor(); }
}

export class Agent extends Person {
  static async signsIn(browser, uid, password, options = {}) {
    return Agent.signsInAt(await (await browser.newContext({ locale: 'en-GB', ...options })).newPage(), uid, password);
  }

  /** At a page that is open already, such as another tab of a browser. */
  static async signsInAt(page, uid, password) {
    const agent = new Agent(uid, page);
    await page.goto(`${url}/agent`);
    await agent.passes(uid, password);
    await page.locator('#console:not([hidden]) .tabs').waitFor();
    return agent;
  }

  tab(name) { return this.page.locator(`.tabs [data-tab="${name}"]`); }
  item(text) { return this.page.locator('.list .item', { hasText: text }); }

  /** Opens the conversation whose last message reads so, from a tab. */
  async opens(text, tab = 'waiting') {
    await this.tab(tab).click();
    await this.item(text).click();
    await this.page.locator('.desk-head .about').waitFor();
  }

  act(key) { return this.page.locator(`.acts [data-act="${key}"]`); }
  async seesToast(pattern) { await this.page.locator('.toast', { hasText: pattern }).waitFor(); }
  async seesChip(pattern) { await this.page.locator('.desk-head .chip', { hasText: pattern }).waitFor(); }
  get composer() { return this.page.locator('.composer:visible'); }
}
