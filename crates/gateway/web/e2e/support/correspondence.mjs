import { until } from './api.mjs';
import { api } from './browser.mjs';

/** @typedef {{ customerId: string, letterId: string, capturedId: string, templateId: string }} Correspondence */

/** @type {Promise<Correspondence> | undefined} */
let made;

/** A customer who agreed to letters, a template, and a letter made from it that was captured; the same for all who ask. */
export function correspondence() {
  made ??= make();
  return made;
}

/** @returns {Promise<Correspondence>} */
async function make() {
  const customer = await api.call('POST', '/v1/customers', {
    customer: { displayName: 'Fond of Letters', emails: [{ address: 'letters@example.net' }] },
  });
  await api.call('POST', `/v1/customers/${customer.id}/consents`, {
    channel: 'CONSENT_CHANNEL_EMAIL',
    contactPointId: customer.emails[0].id,
    granted: true,
    evidence: 'a form of the shop, version 3',
  });
  const template = await api.call('POST', '/v1/emailTemplates', {
    template: {
      name: `Season’s greetings ${customer.id}`,
      subject: 'Greetings, {{ customer.name }}',
      html: '<h1>Greetings</h1><p>Use <b>{{ code }}</b> <a href="https://shop.example/winter">in the shop</a>.</p>',
    },
  });
  const letter = await until('messaging knows the customer', async () => {
    try {
      return await api.call(
        'POST',
        '/v1/emails',
        {
          customerId: customer.id,
          contactPointId: customer.emails[0].id,
          templateId: template.id,
          variables: { code: 'WINTER' },
        },
        `greeting-${customer.id}`,
      );
    } catch (error) {
      if (String(error).includes('404')) return undefined;
      throw error;
    }
  });
  const capturedId = await until('the letter is captured', async () => {
    const { emails } = await api.call('GET', '/v1/mailbox');
    return emails.find((/** @type {any} */ captured) => captured.emailId === letter.id)?.id;
  });
  return { customerId: customer.id, letterId: letter.id, capturedId, templateId: template.id };
}
