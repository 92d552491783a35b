import 'i18next';
import type card from '~/locales/en/card.json';
import type channels from '~/locales/en/channels.json';
import type common from '~/locales/en/common.json';
import type customers from '~/locales/en/customers.json';
import type imports from '~/locales/en/imports.json';
import type inbox from '~/locales/en/inbox.json';
import type mail from '~/locales/en/mail.json';
import type problems from '~/locales/en/problems.json';
import type rules from '~/locales/en/rules.json';
import type segments from '~/locales/en/segments.json';
import type session from '~/locales/en/session.json';
import type violations from '~/locales/en/violations.json';

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common';
    resources: {
      card: typeof card;
      channels: typeof channels;
      common: typeof common;
      customers: typeof customers;
      imports: typeof imports;
      inbox: typeof inbox;
      mail: typeof mail;
      problems: typeof problems;
      rules: typeof rules;
      segments: typeof segments;
      session: typeof session;
      violations: typeof violations;
    };
  }
}
