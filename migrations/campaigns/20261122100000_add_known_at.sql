-- As of when facts and figures are known: the moment of the newest of what was learned. No decision that follows from what
-- is learned is of an earlier one. Absent where nothing has been learned since this is kept.
alter table campaigns.customer add column known_at timestamptz;
