import { QueryClient } from '@tanstack/react-query';
import { ApiError } from './problem';

const TRANSIENT = new Set([0, 502, 503]);

/**
 * Only failures that may pass by themselves are tried again, once. Where a service has not answered in time (504), one has
 * waited long enough: whoever looks is told, and may ask again.
 */
function shouldRetry(failures: number, error: Error): boolean {
  return failures < 1 && error instanceof ApiError && TRANSIENT.has(error.status);
}

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { retry: shouldRetry, retryDelay: 400, staleTime: 5_000, gcTime: 5 * 60_000 },
      mutations: { retry: false },
    },
  });
}
