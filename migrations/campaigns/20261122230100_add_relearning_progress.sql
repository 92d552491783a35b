-- Up to which customer figures that were not told again have been taken away, once all have been told; the same in each row.
alter table campaigns.relearning add column cleared_to uuid;
