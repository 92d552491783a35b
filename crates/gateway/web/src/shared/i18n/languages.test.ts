import { describe, expect, it } from 'vitest';
import { chooseLanguage, LANGUAGES, localeFor } from './languages';

describe('the language', () => {
  it('is the one chosen before, if we speak it', () => {
    expect(chooseLanguage('ru', ['en-GB'])).toBe('ru');
    expect(chooseLanguage('tlh', ['es-MX'])).toBe('es');
  });
  it('is else the first of the browser that we speak, else english', () => {
    expect(chooseLanguage(null, ['fi', 'pt-BR', 'en'])).toBe('pt');
    expect(chooseLanguage(null, ['fi'])).toBe('en');
  });
  it('is written in the browser’s own variant', () => {
    expect(localeFor('en', ['de', 'en-GB', 'en-US'])).toBe('en-GB');
    expect(localeFor('ru', ['en-GB'])).toBe('ru');
  });
});

type Tree = { [key: string]: string | Tree };
const files = import.meta.glob<Tree>('/src/locales/*/*.json', { eager: true, import: 'default' });

function flatten(tree: Tree, prefix = ''): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'string' ? [[prefix + key, value] as [string, string]] : flatten(value, `${prefix}${key}.`),
  );
}

/** The keys of a file with plural forms folded into one, and the placeholders of each text. */
function shape(language: string, namespace: string) {
  const file = files[`/src/locales/${language}/${namespace}.json`];
  expect(file, `${language}/${namespace}.json is missing`).toBeDefined();
  const entries = flatten(file ?? {});
  const plurals = new Map<string, Set<string>>();
  const texts = new Map<string, string>();
  for (const [key, text] of entries) {
    const match = /^(.*)_(zero|one|two|few|many|other)$/.exec(key);
    if (match?.[1] && match[2]) {
      plurals.set(match[1], (plurals.get(match[1]) ?? new Set()).add(match[2]));
      if (match[2] === 'other') texts.set(match[1], text);
    } else texts.set(key, text);
  }
  return { plurals, texts };
}

const namespaces = [...new Set(Object.keys(files).map((path) => path.split('/')[4]?.replace('.json', '') ?? ''))];
const placeholders = (text: string) => [...text.matchAll(/{{\s*(\w+)/g)].map((match) => match[1]).sort();

describe.each(LANGUAGES.map(({ code }) => code))('the texts in %s', (language) => {
  it.each(namespaces)('have in %s the keys and placeholders of the english ones', (namespace) => {
    const english = shape('en', namespace);
    const own = shape(language, namespace);
    expect([...own.texts.keys()].sort()).toEqual([...english.texts.keys()].sort());
    for (const [key, text] of own.texts) {
      expect(text.trim(), `${key} is empty`).not.toBe('');
      expect(placeholders(text), key).toEqual(placeholders(english.texts.get(key) ?? ''));
    }
  });
  it.each(namespaces)('have in %s every plural form of the language', (namespace) => {
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    const own = shape(language, namespace);
    expect([...own.plurals.keys()].sort()).toEqual([...shape('en', namespace).plurals.keys()].sort());
    for (const [key, forms] of own.plurals) expect([...forms].sort(), key).toEqual(categories);
  });
});

/** Every text of a language, with the file and key it stands under. */
const textsOf = (language: string) =>
  namespaces.flatMap((namespace) =>
    flatten(files[`/src/locales/${language}/${namespace}.json`] ?? {}).map(([key, text]) => ({
      where: `${namespace}:${key}`,
      text,
    })),
  );

it('the texts in pt are written as Brazil writes', () => {
  const european = [
    /\b(ficheiro|registo|descarreg|guardar\b|utilizador|ecr[ãa]\b|apelido|telemóvel|palavra-passe|contacto|entretanto)/i,
    /\b(a|está a|estão a) \p{L}+(ar|er|ir)…/iu,
    /[«»]/,
  ];
  const found = textsOf('pt').filter(({ text }) => european.some((word) => word.test(text)));
  expect(found).toEqual([]);
});

it('a million is followed by “de” where things are counted in es and pt', () => {
  // What says how things are, and not what they are, needs none: “1.000.000 creados”.
  const plain =
    /^(sin|sem|não|nuev|nov|cread|criad|cambiad|alterad|rechazad|recusad|quitad|removid|restaurad|conservad|mantid)/;
  const counted = [...textsOf('es'), ...textsOf('pt')].filter(({ where }) => where.endsWith('_many'));
  expect(counted.length).toBeGreaterThan(40);
  const wrong = counted.filter(({ text }) => {
    const next = /\{\{(?:count|shown|rows|days|minutes|hours|seconds)\}\} (\p{L}+)/u.exec(text)?.[1];
    return next !== undefined && next !== 'de' && !plain.test(next);
  });
  expect(wrong).toEqual([]);
});

it('the same thing has one name in a language', () => {
  const wrong = (language: string, words: RegExp, except?: RegExp) =>
    textsOf(language).filter(({ text, where }) => words.test(text) && !except?.test(where));
  expect(wrong('ru', /(?<!\p{L})(проба|пробы|пробе)(?!\p{L})/iu)).toEqual([]);
  expect(wrong('es', /\brevi(erta|erte|rtió)|\bensayo/i)).toEqual([]);
  expect(wrong('pt', /\brevert|\bensai/i)).toEqual([]);
  expect(wrong('es', /\bfuente\b/i, /^mail:letter\.source$/)).toEqual([]);
  expect(wrong('pt', /\bfonte\b/i, /^mail:letter\.source$/)).toEqual([]);
});
