-- What the handler of these tests does with an event: once each, in the order of `place`.
create table applied (
    place bigint generated always as identity primary key,
    event_id uuid not null,
    aggregate_id uuid not null,
    aggregate_version bigint not null
);
create unique index applied_event on applied (event_id);
