import { renderHook, waitFor } from '@testing-library/react';
import i18next from 'i18next';
import { beforeAll, expect, it } from 'vitest';
import { ApiError, type Problem } from '~/shared/api/problem';
import { changeLanguage, startI18n } from '~/shared/i18n';
import { useErrorWords, useProblemReason } from './error-state';

beforeAll(async () => {
  await startI18n();
  await changeLanguage('ru');
  await i18next.loadNamespaces(['problems', 'violations']);
});

function words(status: number, problem: Problem): string[] {
  const { result, unmount } = renderHook(() => useErrorWords());
  const said = result.current(new ApiError(status, problem));
  unmount();
  return said;
}

it('an error without a text of ours is told by its status, and by the server’s words after that', () => {
  expect(words(409, { reason: 'NEW_REASON', detail: 'the moon is full' })).toEqual([
    'Это противоречит уже записанному.',
    'the moon is full',
  ]);
});

it('an error with a text of ours says no more than that', () => {
  expect(words(409, { reason: 'NAME_TAKEN', detail: 'the name is taken' })).toEqual(['Имя занято: выберите другое.']);
  const file = { field: 'content', description: 'the file is empty', reason: '', metadata: {} };
  expect(words(400, { reason: 'FILE_EMPTY', detail: 'content: the file is empty', errors: [file] })).toEqual([
    'Файл пуст.',
  ]);
});

it('each field at fault is told, in the reader’s language where it has a reason', () => {
  const problem: Problem = {
    reason: 'INVALID_FIELD',
    detail: 'a: is empty (and 1 more)',
    errors: [
      { field: 'a', description: 'is empty', reason: 'VALUE_EMPTY', metadata: {} },
      { field: 'b', description: 'is strange', reason: '', metadata: {} },
    ],
  };
  expect(words(400, problem)).toEqual(['Запрос отклонён.', 'a: пусто', 'b: is strange']);
});

it('the facts of a reason are written as the reader writes them', async () => {
  const { result } = renderHook(() => useProblemReason());
  const metadata = { most_bytes: String(5 * 1024 ** 3) };
  await waitFor(() =>
    expect(result.current({ reason: 'FILE_UNPACKS_TOO_LARGE', metadata })).toBe(
      'В распакованном виде файл больше 5 ГБ: разделите его.',
    ),
  );
  expect(result.current({ reason: 'FILE_TOO_MANY_ROWS', metadata: { most: '1000000' } })).toMatch(
    /^В файле больше 1\s000\s000 строк/,
  );
});
