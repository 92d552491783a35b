/** What the address of the list holds. */
export type SegmentsSearch = {
  /** Whether those put away are shown too. */
  all?: 'yes' | undefined;
};

/** What the address of a segment holds. */
export type SegmentSearch = {
  /** Whether it is being edited. */
  edit?: 'yes' | undefined;
};

export function parseSegmentsSearch(raw: Record<string, unknown>): SegmentsSearch {
  return raw.all === 'yes' ? { all: 'yes' } : {};
}

export function parseSegmentSearch(raw: Record<string, unknown>): SegmentSearch {
  return raw.edit === 'yes' ? { edit: 'yes' } : {};
}
