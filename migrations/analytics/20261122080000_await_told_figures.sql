-- Customers whose figures first came up while a partition was being built again are kept with version 0: nothing was
-- told of them yet, and at the end of the rebuild it is.
alter table analytics.customer_told drop constraint customer_told_version_check;
alter table analytics.customer_told
    add constraint customer_told_version_check check (version >= 0) not valid;
alter table analytics.customer_told validate constraint customer_told_version_check;

-- A letter stands in the timeline once, with the last that is known of it (kind 6: what became of a letter).
delete from analytics.timeline_entry e
using analytics.timeline_entry later
where e.kind = 6
  and later.kind = 6
  and later.subject_id = e.subject_id
  and later.subject_version > e.subject_version;
