import type { Import } from '~/shared/api/types';
import { useSession } from '~/shared/session';

/** Whether the reader began the import: whoever else may see it can look on, not change it. */
export function useMine({ userId }: Pick<Import, 'userId'>): boolean {
  return useSession()?.userId === userId;
}
