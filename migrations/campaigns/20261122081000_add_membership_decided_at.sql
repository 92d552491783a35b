-- As of when the pair was last decided otherwise than before: no later decision is of an earlier moment, whatever the clock
-- of the replica says that makes it. Absent for pairs decided before this was kept.
alter table campaigns.membership add column decided_at timestamptz;
