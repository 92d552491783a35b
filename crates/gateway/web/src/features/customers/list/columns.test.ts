import { expect, test } from 'vitest';
import { type ColumnId, columns, visibleColumns } from './columns';

const shown = (width: number, sortedBy?: Parameters<typeof visibleColumns>[1]) =>
  visibleColumns(width, sortedBy).map(({ id }) => id as ColumnId);

test('whatever the width, the columns fit into it', () => {
  for (let width = 640; width <= 2560; width += 10) {
    const ids = shown(width, 'country');
    const needed = columns
      .filter(({ id }) => ids.includes(id as ColumnId))
      .reduce((sum, { meta }) => sum + (meta?.min ?? 0) + 16, 16);
    expect(needed, `${width} px: ${ids}`).toBeLessThanOrEqual(width);
    expect(ids).toContain('name');
  }
  expect(shown(2560)).toHaveLength(columns.length);
});

test('the column that the list is sorted by is there on anything but a phone', () => {
  expect(shown(800)).not.toContain('created');
  expect(shown(800, 'created_at')).toContain('created');
  expect(shown(390, 'created_at')).toEqual(['name', 'total']);
});

test('a wider table leaves nothing out that a narrower one shows', () => {
  let before = shown(640);
  for (let width = 640; width <= 2560; width += 10) {
    const now = shown(width);
    expect(now).toEqual(expect.arrayContaining(before));
    before = now;
  }
});
