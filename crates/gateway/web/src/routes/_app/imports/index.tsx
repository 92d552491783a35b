import { createFileRoute } from '@tanstack/react-router';
import { ImportList } from '~/features/imports/import-list';

export const Route = createFileRoute('/_app/imports/')({ component: ImportList });
