// The dictionary (web/i18n.js) and the pages that use it agree, in both languages.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const web = new URL('../../web/', import.meta.url);
const read = (name) => readFileSync(new URL(name, web), 'utf8');
const names = readdirSync(web, { recursive: true }).filter((name) => /\.(js|html)$/.test(name) && !/^(vendor|words)\/|^widget\.js$/.test(name));
const pages = names.map(read).join('\n');

/** What each page has learnt. */
const words = {};
for (const name of readdirSync(new URL('words/', web))) {
  for (const part of Object.values(await import(new URL(`words/${name}`, web)))) {
    for (const [key, texts] of Object.entries(part)) {
      assert.ok(!(key in words), `${key} is in two files`);
      words[key] = texts;
    }
  }
}

test('every entry has an English and a Chinese text with the same names in it', () => {
  for (const [key, texts] of Object.entries(words)) {
    assert.equal(texts.length, 2, key);
    const [en, zh] = texts.map((text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort());
    assert.deepEqual(en, zh, key);
    assert.ok(texts.every((text) => text.trim()), key);
  }
});

test('every word that a page asks for is there', () => {
  const asked = [...pages.matchAll(/\bt\('(\w+)'|data-t(?:-\w+)?="(\w+)"/g)].map(([, code, markup]) => code ?? markup);
  assert.ok(asked.length > 50);
  for (const key of asked) assert.ok(key in words, key);
});

test('pages carry no script or style of their own, and nothing from elsewhere', () => {
  for (const name of names.filter((name) => name.endsWith('.html') && name !== 'docs.html')) {
    const page = read(name);
    assert.doesNotMatch(page, /\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)/, name);
    assert.doesNotMatch(page, /(src|href)="(https?:)?\/\//, name);
  }
});

test('nothing is written into a page as markup', () => {
  assert.doesNotMatch(pages, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/);
});
