import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import { ApiError } from '~/shared/api/problem';
import type { Import, ImportColumn, ImportFormat } from '~/shared/api/types';
import { importQuery, importsQuery, showImport } from './queries';

export type Change = { format: ImportFormat; source: string } | { columns: ImportColumn[] };

/** Changes how an import's file is read. Changes go one after the other, each on the version the one before has left. */
export function useUpdate(id: string) {
  const queryClient = useQueryClient();
  const { queryKey } = importQuery(id);
  return useMutation({
    scope: { id: `import.${id}` },
    mutationFn: (change: Change) => {
      const etag = queryClient.getQueryData(queryKey)?.etag;
      return body(
        api.PATCH('/v1/imports/{id}', {
          params: { path: { id }, query: { updateMask: Object.keys(change).join(',') } },
          body: { id, ...(etag && { etag }), ...change },
        }),
      );
    },
    onSuccess: (changed: Import) => showImport(queryClient, changed),
    onError: (error) => {
      // Somebody else changed it: what is on the page is shown anew beside the message.
      if (error instanceof ApiError && error.status === 409) return queryClient.invalidateQueries({ queryKey });
      return undefined;
    },
  });
}

type Action = 'try' | 'start' | 'cancel' | 'undo';

/** What can be done with an import; the page follows what comes of it. */
export function useAction(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    scope: { id: `import.${id}` },
    mutationFn: (action: Action) => {
      const params = { path: { id } };
      if (action === 'cancel') return body(api.POST('/v1/imports/{id}:cancel', { params, body: {} }));
      if (action === 'undo') return body(api.POST('/v1/imports/{id}:undo', { params, body: {} }));
      return body(api.POST('/v1/imports/{id}:start', { params, body: { trial: action === 'try' } }));
    },
    onSuccess: (changed: Import) => showImport(queryClient, changed),
    // Not what was refused: rows of a run that has ended do not change, and there may be many pages of them.
    onSettled: () =>
      Promise.all([
        queryClient.invalidateQueries({ queryKey: importQuery(id).queryKey }),
        queryClient.invalidateQueries({ queryKey: importsQuery().queryKey }),
      ]),
  });
}
