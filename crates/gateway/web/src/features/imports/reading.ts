import type { ImportFormat } from '~/shared/api/types';

/** Encodings by their WHATWG names; another one that was found in the file is offered beside them. */
export const ENCODINGS = [
  'UTF-8',
  'UTF-16LE',
  'UTF-16BE',
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'ISO-8859-2',
  'ISO-8859-15',
  'KOI8-R',
  'IBM866',
  'macintosh',
  'x-mac-cyrillic',
  'Shift_JIS',
  'EUC-KR',
  'GBK',
  'Big5',
] as const;

export const DELIMITERS = [
  'IMPORT_DELIMITER_UNSPECIFIED',
  'IMPORT_DELIMITER_COMMA',
  'IMPORT_DELIMITER_SEMICOLON',
  'IMPORT_DELIMITER_TAB',
  'IMPORT_DELIMITER_PIPE',
  'IMPORT_DELIMITER_SPACES',
] as const satisfies readonly ImportFormat['delimiter'][];

/** Ways to write a date, in the manner of strftime; ISO 8601 is the empty one. A time that follows needs no format. */
export const DATE_FORMATS = [
  '%d.%m.%Y',
  '%d/%m/%Y',
  '%m/%d/%Y',
  '%d-%m-%Y',
  '%m-%d-%Y',
  '%Y/%m/%d',
  '%Y.%m.%d',
  '%d.%m.%y',
  '%d/%m/%y',
  '%m/%d/%y',
  '%d %b %Y',
  '%b %d, %Y',
] as const;
