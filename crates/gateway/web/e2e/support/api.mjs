/** A session with the product over its REST API. */
export class Api {
  /**
   * @param {string} url
   * @param {string} cookie
   * @param {string} csrfToken
   */
  constructor(url, cookie, csrfToken) {
    this.url = url;
    this.cookie = cookie;
    this.csrfToken = csrfToken;
  }

  /**
   * @param {{ url: string, login: string, password: string }} product
   */
  static async signIn({ url, login, password }) {
    const response = await fetch(`${url}/v1/session`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ login, password }),
    });
    if (!response.ok) throw new Error(`sign-in: ${response.status} ${await response.text()}`);
    const cookie = response.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    const { csrfToken } = await response.json();
    return new Api(url, cookie, csrfToken);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {string} [key] Makes a repetition harmless.
   * @returns {Promise<any>}
   */
  async call(method, path, body, key) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        Cookie: this.cookie,
        'X-CSRF-Token': this.csrfToken,
        ...(key ? { 'Idempotency-Key': key } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}

/**
 * Waits until a condition holds.
 * @template T
 * @param {string} what
 * @param {() => Promise<T | undefined | false>} condition
 * @param {number} [deadline]
 * @returns {Promise<T>}
 */
export async function until(what, condition, deadline = 30_000) {
  const end = Date.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${deadline} ms in vain for: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
