-- Phones and e-mail addresses of customers, in the order the user gave them. `typed` is what was entered, `key` is the
-- spelling two points are compared by.
create table customers.contact_point (
    id          uuid    not null,
    customer_id uuid    not null,
    kind        text    collate "C" not null,
    ordinal     integer not null,
    typed       text    not null,
    key         text    collate "C" not null,
    e164        text,
    label       text    not null,
    constraint contact_point_pkey primary key (id),
    constraint contact_point_customer_id_fkey foreign key (customer_id) references customers.customer (id),
    constraint contact_point_customer_id_key unique (customer_id, kind, key),
    constraint contact_point_kind_check check (kind in ('phone', 'email')),
    constraint contact_point_ordinal_check check (ordinal >= 0 and ordinal < case kind when 'phone' then 500 else 100 end),
    constraint contact_point_typed_check check (char_length(typed) between 3 and case kind when 'phone' then 50 else 254 end),
    constraint contact_point_key_check check (char_length(key) between 1 and 300),
    constraint contact_point_e164_check check (e164 is null or (kind = 'phone' and e164 ~ '^[+][0-9]{5,15}$')),
    constraint contact_point_label_check check (char_length(label) <= 50 and (label = '' or kind = 'phone'))
);

create index contact_point_customer_id_idx on customers.contact_point (customer_id, kind, ordinal);
create index contact_point_key_idx on customers.contact_point (kind, key, customer_id);
