// The server of a story: the real binary with a demo shop in a directory of its own, on a free port. Where SHOPBELL_URL names one that runs
// already, that one is used, with the logins of the environment; it cannot be killed.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const STARTS_MS = 30_000;

class Server {
  #directory = mkdtempSync(join(tmpdir(), 'shopbell-story-'));
  #bind = '127.0.0.1:0';
  #child;
  /** @type {Record<string, string>} passwords by uid */ logins = {};
  url = '';

  constructor(binary) {
    this.binary = binary;
    this.secret = randomBytes(32).toString('hex');
    process.on('exit', () => {
      this.#child?.kill('SIGKILL');
      rmSync(this.#directory, { recursive: true, force: true });
    });
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  }

  /** Starts it; logins are printed, and made anew, with `--demo` only. */
  async start(...flags) {
    const child = this.#child = spawn(this.binary, ['serve', ...flags], {
      cwd: this.#directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        SHOPBELL__HTTP__BIND: this.#bind,
        SHOPBELL__AUTH__SECRET: this.secret,
        SHOPBELL__DATABASE__URL: `sqlite://${join(this.#directory, 'shopbell.db')}`,
        SHOPBELL__LIMITS__REQUESTS_PER_MINUTE: '10000',
      },
    });
    const said = [];
    child.stderr.on('data', (text) => said.push(text));
    await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`the server ${why}; it said:\n${said.join('')}`));
      const timer = setTimeout(() => fail('does not start'), STARTS_MS);
      child.once('exit', () => fail('did not come up'));
      createInterface(child.stdout).on('line', (line) => {
        said.push(`${line}\n`);
        const login = /^ {2}login {2}(\S+) {2}(\S+)/.exec(line);
        if (login) this.logins[login[1]] = login[2];
        const listens = /^listening on (\S+)/.exec(line)?.[1];
        if (listens) this.url = listens;
        // The logins come after the address, the operator's last.
        if (this.url && (!flags.includes('--demo') || this.logins.operator)) {
          clearTimeout(timer);
          resolve();
        }
      });
    });
    child.removeAllListeners('exit');
    // A story that has been told ends, and the server with it.
    for (const part of [child, child.stdout, child.stderr]) part.unref();
    this.#bind = new URL(this.url).host;
  }

  /** `kill -9`: nothing is said to anybody, and nothing tidied up. */
  async kill() {
    const gone = new Promise((resolve) => { this.#child.once('exit', resolve); });
    this.#child.kill('SIGKILL');
    await gone;
  }
}

/** The variable `name` of the environment; ends the run with a clear word when it is not set. */
export function need(name) {
  const value = process.env[name];
  if (value) return value;
  console.error(`${name} is not set: these stories need SHOPBELL_BIN, or SHOPBELL_URL with AGENT_UID, AGENT_PASSWORD, AGENT2_UID and AGENT2_PASSWORD`);
  process.exit(2);
}

/** @type {Server|null} */
export let server = null;
if (!process.env.SHOPBELL_URL) {
  server = new Server(need('SHOPBELL_BIN'));
  await server.start('--demo');
  const { alice, bob, operator } = server.logins;
  Object.assign(process.env, {
    SHOPBELL__AUTH__SECRET: server.secret, AGENT_UID: 'alice', AGENT_PASSWORD: alice, AGENT2_UID: 'bob', AGENT2_PASSWORD: bob,
    OPERATOR_UID: 'operator', OPERATOR_PASSWORD: operator,
  });
}
export const url = (server?.url ?? need('SHOPBELL_URL')).replace(/\/$/, '');
