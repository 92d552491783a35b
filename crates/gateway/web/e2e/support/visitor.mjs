import { randomUUID } from 'node:crypto';
import { api, world } from './browser.mjs';

/** A channel of its own, and a visitor who writes through it as the widget does. */
export async function visitor(/** @type {{ name?: string, email?: string }} */ who = {}) {
  const channel = await api.call('POST', '/v1/channels', {
    channel: { name: `Chat ${randomUUID().slice(0, 8)}`, kind: 'CHANNEL_KIND_WIDGET' },
  });
  const ask = async (/** @type {string} */ path, /** @type {object} */ body) => {
    const response = await fetch(`${world.url}/v1/widget/${channel.siteKey}/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: 'https://shop.example' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const { visitorSecret } = await ask('visits', {});
  const say = (/** @type {string} */ text) =>
    ask('messages', {
      visitorSecret,
      clientMessageId: randomUUID(),
      text,
      name: who.name ?? '',
      email: who.email ?? '',
    });
  const heard = async () => (await ask('messages:list', { visitorSecret })).messages;
  return { channel, say, heard };
}
