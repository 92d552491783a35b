import type { EmailTemplate } from '~/shared/api/types';

export type Values = { name: string; subject: string; text: string; html: string; active: boolean };

/** A template that is being written, and the version it was begun on. */
export type Draft = { values: Values; etag: string };

const EMPTY: Values = { name: '', subject: '', text: '', html: '', active: true };

export function valuesOf({ name, subject, text, html, active }: EmailTemplate): Values {
  return { name, subject, text, html, active };
}

/** Makes sense of a draft that was kept; of none, the template as it stands. */
export function readDraftOf(kept: unknown, template: EmailTemplate | undefined): Draft {
  const start = { values: template ? valuesOf(template) : EMPTY, etag: template?.etag ?? '' };
  if (typeof kept !== 'object' || kept === null || !('values' in kept) || !('etag' in kept)) return start;
  const { values, etag } = kept as { values: Partial<Record<keyof Values, unknown>>; etag: unknown };
  if (typeof values !== 'object' || values === null || typeof etag !== 'string') return start;
  const text = (name: 'name' | 'subject' | 'text' | 'html') =>
    typeof values[name] === 'string' ? (values[name] as string) : start.values[name];
  return {
    values: {
      name: text('name'),
      subject: text('subject'),
      text: text('text'),
      html: text('html'),
      active: typeof values.active === 'boolean' ? values.active : start.values.active,
    },
    etag,
  };
}

/** The fields that differ from the template, as an update names them. */
export function changedFields({ values }: Draft, template: EmailTemplate | undefined): string[] {
  const before = template ? valuesOf(template) : EMPTY;
  return (Object.keys(EMPTY) as (keyof Values)[]).filter((name) => values[name] !== before[name]);
}

export function isUnchanged(draft: Draft, template: EmailTemplate | undefined): boolean {
  return changedFields(draft, template).length === 0;
}
