import { expect, test } from 'vitest';
import { ApiError } from './problem';
import { createQueryClient } from './query-client';

const asked = async (status: number) => {
  let times = 0;
  const client = createQueryClient();
  client.setDefaultOptions({ queries: { ...client.getDefaultOptions().queries, retryDelay: 0 } });
  const queryFn = () => {
    times += 1;
    return Promise.reject(new ApiError(status, {}));
  };
  await client
    .fetchQuery({ queryKey: ['any'], queryFn, retry: client.getDefaultOptions().queries?.retry })
    .catch(() => undefined);
  return times;
};

test('what may pass by itself is asked for once more', async () => {
  for (const status of [0, 502, 503]) expect(await asked(status)).toBe(2);
});

test('whoever has waited for a service that does not answer is told so, and does not wait once more', async () => {
  expect(await asked(504)).toBe(1);
  expect(await asked(404)).toBe(1);
});
