import { useCallback, useEffect, useReducer } from 'react';
import { useTranslation } from 'react-i18next';

/** What is known of a reason, ready to be shown. A `count` chooses the plural form. */
export type Facts = Readonly<Record<string, string | number>>;

/** Where the texts of reasons stand: what went wrong with a request; why a value was refused; what was noticed in a file. */
type Place = 'problems:reason' | 'violations:reason' | 'imports:warning';
type Namespace = 'problems' | 'violations' | 'imports';

/** How long after something that may go wrong is shown its texts are fetched: what is shown comes first. */
const LATER_MS = 1_500;

/**
 * The text of a reason that the server gives by name, in the reader's language; undefined where there is none, or where a
 * fact it speaks of was not sent: then the server's own words serve. The function changes once the texts have come, so
 * what a page keeps of an error is the error, and never the text.
 */
export function useReasonText(place: Place): (reason: string | undefined, facts?: Facts) => string | undefined {
  const [namespace, tree] = place.split(':') as [Namespace, string];
  const { i18n } = useTranslation();
  const [times, look] = useReducer((before: number) => before + 1, 0);
  // The texts are there before most errors are: a word said only once, to a screen reader for instance, is then said right.
  useEffect(() => {
    if (i18n.hasLoadedNamespace(namespace)) return;
    const timer = setTimeout(() => void i18n.loadNamespaces(namespace), LATER_MS);
    return () => clearTimeout(timer);
  }, [i18n, namespace]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another function tells its users that the texts have come
  return useCallback(
    (reason, facts = {}) => {
      if (!reason || !/^[A-Z_]+$/.test(reason)) return undefined;
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
    [i18n, namespace, tree, times],
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
