import { useCallback, useReducer } from 'react';
import { useTranslation } from 'react-i18next';

/** What is known of a reason, ready to be shown. A `count` chooses the plural form. */
export type Facts = Readonly<Record<string, string | number>>;

/** Where the texts of reasons stand: what went wrong with a request; why a value was refused, and what was noticed in a file. */
type Place = 'problems:reason' | 'imports:reason' | 'imports:warning';

/**
 * The text of a reason that the server gives by name, in the reader's language; undefined where there is none, or where a
 * fact it speaks of was not sent: then the server's own words serve.
 */
export function useReasonText(place: Place): (reason: string | undefined, facts?: Facts) => string | undefined {
  const [namespace, tree] = place.split(':') as ['problems' | 'imports', string];
  const { i18n } = useTranslation();
  const [, look] = useReducer((times: number) => times + 1, 0);
  return useCallback(
    (reason, facts = {}) => {
      if (!reason || !/^[A-Z_]+$/.test(reason)) return undefined;
      // What goes wrong is rare: the texts of it come when they are asked for first.
      if (!i18n.hasLoadedNamespace(namespace)) {
        void i18n.loadNamespaces(namespace).then(look);
        return undefined;
      }
      const key = `${tree}.${reason}`;
      const options = { ns: namespace, ...(typeof facts.count === 'number' && { count: facts.count }) };
      if (!i18n.exists(key, options)) return undefined;
      // The key is only known now. The facts are filled in here: what stands in them is text, never another key.
      const textOf = i18n.t as unknown as (key: string, options: object) => string;
      return filled(textOf(key, { ...options, skipInterpolation: true }), facts);
    },
    [i18n, namespace, tree],
  );
}

/** The text with its facts; undefined when one is missing. */
export function filled(text: string, facts: Facts): string | undefined {
  let whole = true;
  const result = text.replace(/{{\s*(\w+)\s*}}/g, (_, name: string) => {
    const fact = Object.hasOwn(facts, name) ? facts[name] : undefined;
    if (fact === undefined) whole = false;
    return String(fact ?? '');
  });
  return whole ? result : undefined;
}
