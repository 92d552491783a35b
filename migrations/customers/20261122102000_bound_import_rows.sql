-- Rows of files are read by their size too: whoever goes through them holds so many bytes, not so many rows. Those that the
-- release before writes while this one comes count as nothing: an order is refused by its size, and must not be for this.
alter table customers.import_line add column bytes integer not null default 0;
update customers.import_line set bytes = octet_length(cells::text);

alter table customers.import_refusal add column bytes integer not null default 0;
update customers.import_refusal set bytes = octet_length(cells::text) + octet_length(violations::text);
