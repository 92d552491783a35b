import 'i18next';
import type card from '~/locales/en/card.json';
import type common from '~/locales/en/common.json';
import type customers from '~/locales/en/customers.json';
import type session from '~/locales/en/session.json';

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'common';
    resources: { common: typeof common; session: typeof session; customers: typeof customers; card: typeof card };
  }
}
