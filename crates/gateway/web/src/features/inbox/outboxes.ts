import { api, body } from '~/shared/api/client';
import { onForget } from '~/shared/lib/drafts';
import { tabKept } from '~/shared/lib/kept';
import { Outbox } from './outbox';

const outboxes = new Map<string, Outbox>();

/** The outbox of a user who works in this tab: one, until they sign out. */
export function outboxOf(userId: string): Outbox {
  const known = outboxes.get(userId);
  if (known) return known;
  const made = new Outbox(userId, tabKept, ({ dialogId, clientMessageId, text }) =>
    body(
      api.POST('/v1/dialogs/{dialogId}/messages', {
        params: { path: { dialogId } },
        body: { text, clientMessageId },
      }),
    ),
  );
  outboxes.set(userId, made);
  return made;
}

// Whoever signs in next must neither find nor send what the one before them wrote.
onForget(() => {
  for (const outbox of outboxes.values()) outbox.end();
  outboxes.clear();
});
