/** The server's REST interface (docs/protocol.md, section 4), as far as the pages use it. */

import { ShopbellError } from '/assets/sdk/shopbell.js';

/**
 * @param {string} method
 * @param {string} path below `/api/v1`
 * @param {{token?: string|null, body?: object|FormData}} [options]
 * @returns {Promise<any>} the answer's JSON, null where there is none
 * @throws {ShopbellError} with the problem's `code`; `unavailable` when the server was not reached
 */
export async function rest(method, path, { token, body } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body && !(body instanceof FormData)) {
    headers['Content-Type'] = 'application/json';
    body = JSON.stringify(body);
  }
  const response = await fetch(`/api/v1${path}`, { method, headers, body }).catch((error) => {
    throw new ShopbellError('unavailable', error.message);
  });
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  throw new ShopbellError(answer?.code ?? 'unavailable', answer?.message ?? answer?.title ?? response.statusText, answer ?? {});
}

/** Uploads a file. @returns {Promise<import('/assets/sdk/shopbell.js').Content>} what to send about it */
export async function upload(file, token) {
  const form = new FormData();
  form.append('file', file, file.name);
  const { url, kind, name, size, width, height } = await rest('POST', '/files', { token, body: form });
  return kind === 'image' ? { kind: 'image', url, width, height } : { kind: 'file', url, name, size };
}
