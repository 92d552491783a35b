-- Rows of files are read by their size too: whoever goes through them holds so many bytes, not so many rows.
alter table customers.import_line add column bytes integer;
update customers.import_line set bytes = octet_length(cells::text);
alter table customers.import_line alter column bytes set not null;

alter table customers.import_refusal add column bytes integer;
update customers.import_refusal set bytes = octet_length(cells::text) + octet_length(violations::text);
alter table customers.import_refusal alter column bytes set not null;
