import i18next, { type BackendModule } from 'i18next';
import { useMemo } from 'react';
import { initReactI18next, useTranslation } from 'react-i18next';
import { browserKept } from '~/shared/lib/kept';
import { chooseLanguage, LANGUAGES, type Language, localeFor } from './languages';

export { isLanguage, LANGUAGES, type Language } from './languages';

const STORED = 'clientele.language';
const files = import.meta.glob<Record<string, unknown>>('/src/locales/*/*.json', { import: 'default' });

const backend: BackendModule = {
  type: 'backend',
  init: () => undefined,
  read(language, namespace, done) {
    const load = files[`/src/locales/${language}/${namespace}.json`];
    if (!load) {
      done(new Error(`no texts for ${language}/${namespace}`), null);
      return;
    }
    load().then(
      (texts) => done(null, texts),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), null),
    );
  },
};

/** Starts the texts in the reader's language; resolves when the common ones are there. */
export async function startI18n(): Promise<void> {
  i18next.on('languageChanged', (language) => {
    document.documentElement.lang = language;
  });
  await i18next
    .use(backend)
    .use(initReactI18next)
    .init({
      lng: chooseLanguage(browserKept.read(STORED), navigator.languages),
      supportedLngs: LANGUAGES.map(({ code }) => code),
      // No falling back to another language: all are complete, and a test keeps them so.
      fallbackLng: false,
      ns: ['common'],
      defaultNS: 'common',
      interpolation: { escapeValue: false },
      saveMissing: true,
      missingKeyHandler: (languages, namespace, key) => {
        console.error(`missing text: ${languages.join(',')} ${namespace}:${key}`);
      },
    });
}

export async function changeLanguage(language: Language): Promise<void> {
  browserKept.write(STORED, language);
  await i18next.changeLanguage(language);
}

export function useLanguage(): Language {
  const { i18n } = useTranslation();
  return chooseLanguage(i18n.language, []);
}

/** The BCP 47 tag by which money, numbers and dates are written. */
export function useLocale(): string {
  const language = useLanguage();
  return useMemo(() => localeFor(language, navigator.languages), [language]);
}
