import {
  IconAddressBook,
  IconCirclesRelation,
  IconFileImport,
  IconMailbox,
  IconMessages,
  IconSend,
  IconTemplate,
  IconWorldWww,
} from '@tabler/icons-react';
import { useMayAsk } from '~/shared/session';

/** What one can go to, in the order of the day's work, and the permission without which it is not shown. */
const PAGES = [
  { to: '/customers', label: 'nav.customers', icon: IconAddressBook, permission: 'customers.customer.read' },
  { to: '/inbox', label: 'nav.inbox', icon: IconMessages, permission: 'messaging.dialog.read' },
  { to: '/segments', label: 'nav.segments', icon: IconCirclesRelation, permission: 'campaigns.segment.read' },
  { to: '/imports', label: 'nav.imports', icon: IconFileImport, permission: 'customers.customer.import' },
  { to: '/mailbox', label: 'nav.mailbox', icon: IconMailbox, permission: 'messaging.mailbox.read' },
  { to: '/outbox', label: 'nav.outbox', icon: IconSend, permission: 'messaging.email.read' },
  { to: '/templates', label: 'nav.templates', icon: IconTemplate, permission: 'messaging.template.read' },
  { to: '/channels', label: 'nav.channels', icon: IconWorldWww, permission: 'messaging.channel.read' },
] as const;

export type Page = (typeof PAGES)[number];

/** The pages that the signed-in user may open. */
export function usePages(): Page[] {
  const may = useMayAsk();
  return PAGES.filter(({ permission }) => may(permission));
}
