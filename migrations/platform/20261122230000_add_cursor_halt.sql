-- Since when a consumer does not follow a partition any more: the source's journal ended before the position, and nobody has
-- said what became of it. It goes on, from the first event, once the source has begun a new incarnation.
alter table cursor add column halted_at timestamptz;
