// How a story is told: each step named as it passes; the first that fails ends the run with 1, and
// leaves pictures of every page in SHOPBELL_PICTURES, where that is set. A page that threw, or
// loaded what its policy refuses, fails the story too.

import assert from 'node:assert/strict';
import { Agent, Buyer, launch, need, Person } from './people.mjs';

/** @param {(tell: {step: Function, buyer: Function, agents: Function}) => Promise<void>} tell */
export async function story(name, tell) {
  const browser = await launch();
  const people = [];
  const here = (person) => { people.push(person); return person; };
  let doing = 'starting';
  const cast = {
    async step(what, run) {
      doing = what;
      const began = performance.now();
      await run();
      console.log(`ok  ${what} (${Math.round(performance.now() - began)} ms)`);
    },
    /** Everybody so far, the latest last. */
    people,
    /** Somebody who has not signed in to anything. */
    async stranger(options) { return here(await Person.comes(browser, 'stranger', options)); },
    async buyer(options) { return here(await Buyer.arrives(browser, 'buyer', options)); },
    /** Another tab of somebody's browser. @param {Person} person @param {(page: any) => Promise<Person>} open */
    async tab(person, open) { return here(await open(await person.page.context().newPage())); },
    /** The two agents of the environment; the first is the shop's admin. @param {(page: any) => Promise<void>} [before] what is done to their pages first */
    async agents(before = async () => {}) {
      const logins = [[need('AGENT_UID'), need('AGENT_PASSWORD')], [need('AGENT2_UID'), need('AGENT2_PASSWORD')]];
      return Promise.all(logins.map(async ([uid, password]) => {
        const page = await (await browser.newContext({ locale: 'en-GB' })).newPage();
        await before(page);
        return here(await Agent.signsInAt(page, uid, password));
      }));
    },
  };
  try {
    await tell(cast);
    doing = 'looking for faults of the pages';
    assert.deepEqual(people.flatMap(({ faults }) => faults), []);
    console.log(`${name}: it all went well`);
  } catch (error) {
    console.error(`${name}: FAILED while ${doing}\n${error.stack ?? error}`);
    for (const { faults } of people) for (const fault of faults) console.error(`  page fault: ${fault}`);
    const folder = process.env.SHOPBELL_PICTURES;
    if (folder) for (const person of people) await person.page.screenshot({ path: `${folder}/${name}-${person.name}.png` }).catch(() => {});
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** A mark that makes the texts of this run its own, also on a server that ran it before. */
export const mark = Date.now().toString(36);
