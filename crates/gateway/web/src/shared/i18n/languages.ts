/** The languages of the client, each under its own name. */
export const LANGUAGES = [
  { code: 'en', name: 'English' },
  { code: 'es', name: 'Español' },
  { code: 'pt', name: 'Português' },
  { code: 'ru', name: 'Русский' },
] as const;

export type Language = (typeof LANGUAGES)[number]['code'];

export function isLanguage(code: string | null | undefined): code is Language {
  return LANGUAGES.some((language) => language.code === code);
}

/** What was chosen before, else the first language of the browser that we speak, else English. */
export function chooseLanguage(stored: string | null, wanted: readonly string[]): Language {
  if (isLanguage(stored)) return stored;
  return wanted.map((tag) => tag.split('-')[0]).find(isLanguage) ?? 'en';
}

/** The browser's own variant of the language (`en-GB` for English), for the way money and dates are written. */
export function localeFor(language: string, wanted: readonly string[]): string {
  return wanted.find((tag) => tag.split('-')[0] === language) ?? language;
}
