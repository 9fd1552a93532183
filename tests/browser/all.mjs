// All stories, each with a server of its own: as many at a time as there are processors, and those that measure alone, at the end.
// `SHOPBELL_BIN=PATH node all.mjs [NAME…]`; what a story said is printed when it has been told.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** The longest first. */
const TOLD = ['access', 'cuts', 'admin', 'hostile', 'hostile-dashboard', 'kill', 'tabs', 'talk', 'alerts', 'desk', 'embed', 'operator'];
const MEASURED = ['weight', 'smooth'];

const asked = process.argv.slice(2);
const chosen = (names) => (asked.length ? names.filter((name) => asked.includes(name)) : names);
const failed = [];

function tell(name) {
  const began = performance.now();
  const story = spawn(process.execPath, [new URL(`${name}.mjs`, import.meta.url).pathname], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  for (const stream of [story.stdout, story.stderr]) stream.on('data', (text) => said.push(text));
  return new Promise((resolve) => {
    story.on('close', (code) => {
      const told = `\n--- ${name} (${Math.round((performance.now() - began) / 1_000)} s)\n${Buffer.concat(said).toString().trimEnd()}`;
      console.log(told);
      if (code) failed.push({ name, told });
      resolve();
    });
  });
}

/** Tells these, some at a time. */
async function tellAll(names, together) {
  const rest = [...names];
  await Promise.all(Array.from({ length: together }, async () => { while (rest.length) await tell(rest.shift()); }));
}

await tellAll(chosen(TOLD), Math.max(2, availableParallelism()));
await tellAll(chosen(MEASURED), 1);
// Said once more, as the last of all: who reads the end of a long run's output finds why.
if (failed.length) console.error(`${failed.map(({ told }) => told).join('\n')}\n\nFAILED: ${failed.map(({ name }) => name).join(', ')}`);
process.exitCode = failed.length ? 1 : 0;
