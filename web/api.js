/** The server's REST interface (docs/protocol.md, section 4), as far as the pages use it. */

import { ORIGIN } from '/assets/origin.js';
import { ShopbellError } from '/assets/sdk/shopbell.js';

const BASE = `${ORIGIN}/api/v1`;

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
  const response = await fetch(`${BASE}${path}`, { method, headers, body }).catch((error) => {
    throw new ShopbellError('unavailable', error.message);
  });
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  throw refused(answer, response.statusText);
}

const refused = (problem, otherwise) =>
  new ShopbellError(problem?.code ?? 'unavailable', problem?.message ?? problem?.title ?? otherwise, problem ?? {});

/**
 * Uploads a file. (Only XMLHttpRequest tells how far it is.)
 * @param {File} file @param {string} token
 * @param {(part: number) => void} [onProgress] from 0 to 1
 * @returns {Promise<import('/assets/sdk/shopbell.js').Content>} what to send about it
 */
export function upload(file, token, onProgress = () => {}) {
  const form = new FormData();
  form.append('file', file, file.name || 'image.png');
  const request = new XMLHttpRequest();
  request.open('POST', `${BASE}/files`);
  request.setRequestHeader('Authorization', `Bearer ${token}`);
  request.responseType = 'json';
  request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
  return new Promise((resolve, reject) => {
    request.onloadend = () => {
      const { status, response: answer, statusText } = request;
      if (status !== 201 && status !== 200) return reject(refused(answer, statusText));
      const { url, kind, name, size, width, height } = answer;
      resolve(kind === 'image' ? { kind, url, width, height } : { kind: 'file', url, name, size });
    };
    request.send(form);
  });
}
