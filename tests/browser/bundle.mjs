// Makes web/widget.js, the one script that shops include, of the modules in web/. It is kept in the repository, so that building the
// server needs no Node; the tests look that it is what its sources say.
// `node bundle.mjs` writes it, `node bundle.mjs --check` fails where it is not what it should be, or too large.

import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build, transform } from 'esbuild';

const web = new URL('../../web/', import.meta.url);
const made = new URL('widget.js', web);
const GZIP_MAX = 20_000;
const TARGET = ['es2023', 'chrome123', 'firefox121', 'safari17.5'];

/** `/assets/…` lies in web/; a style sheet becomes one that shadow roots can adopt. */
const assets = {
  name: 'assets',
  setup(builder) {
    builder.onResolve({ filter: /^\/assets\// }, ({ path }) => ({ path: new URL(path.slice('/assets/'.length), web).pathname }));
    builder.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true, target: TARGET });
      return { loader: 'js', contents: `const sheet = new CSSStyleSheet(); sheet.replaceSync(${JSON.stringify(code.trim())}); export default sheet;` };
    });
  },
};

/** @returns {Promise<string>} the whole widget */
export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [new URL('widget/boot.js', web).pathname],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: TARGET,
    charset: 'utf8',
    plugins: [assets],
    banner: { js: '/* Shopbell\'s widget, made from web/widget/ by tests/browser/bundle.mjs. Apache-2.0 */' },
    legalComments: 'none',
  });
  return outputFiles[0].text;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const text = await bundle();
  const size = gzipSync(text, { level: 9 }).length;
  console.log(`widget.js: ${text.length} bytes, ${size} with gzip`);
  if (size > GZIP_MAX) throw new Error(`more than ${GZIP_MAX} bytes with gzip`);
  if (!process.argv.includes('--check')) await writeFile(made, text);
  else if (await readFile(made, 'utf8') !== text) throw new Error('web/widget.js is not what its sources say: run node tests/browser/bundle.mjs');
}
