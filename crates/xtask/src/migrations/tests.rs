use super::*;

const ORDERS: &str = "create table orders.orders (id uuid primary key, status text not null, note text);
    create table orders.line (id uuid primary key, order_id uuid not null references orders.orders);
    create view orders.totals as select id from orders.orders;
    create domain orders.code as text check (value <> '');";

fn migration(path: &str, text: &str) -> Migration {
    Migration { path: format!("migrations/{path}.sql"), text: text.to_owned() }
}

/// The rules that these files break, in a schema that has the tables above.
fn broken(files: &[(&str, &str)]) -> Vec<String> {
    let landed = [
        migration("orders/20260101000000_create_orders", ORDERS),
        migration("platform/20260101000000_create_journal", "create table journal (id uuid primary key);"),
    ];
    let new: Vec<_> = files.iter().map(|(path, text)| migration(path, text)).collect();
    let faults = check(&landed, &new).unwrap_or_else(|error| panic!("{error:#}"));
    faults.iter().filter_map(|fault| fault.split(": ").nth(1)).map(str::to_owned).collect()
}

#[track_caller]
fn refused(rule: &str, statement: &str) {
    let faults = broken(&[("orders/20260202000000_change_orders", statement)]);
    assert!(faults.iter().any(|fault| fault == rule), "`{statement}` breaks {faults:?}");
}

#[track_caller]
fn accepted(statement: &str) {
    let faults = broken(&[("orders/20260202000000_change_orders", statement)]);
    assert!(faults.is_empty(), "`{statement}` breaks {faults:?}");
}

#[test]
fn what_holds_up_those_who_write_is_refused() {
    for (rule, statement) in [
        ("index-not-concurrent", "create index orders_note on orders.orders (note)"),
        ("index-not-concurrent", "alter table orders.orders add column code text unique"),
        ("column-type", "alter table orders.orders alter column status type varchar(20)"),
        ("column-type", "alter table orders.orders alter status set data type bigint using 1"),
        ("rewrite", "alter table orders.orders add column drawn float not null default random()"),
        ("rewrite", "alter table orders.orders add column number bigserial"),
        ("rewrite", "alter table orders.orders add column number bigint generated always as identity"),
        ("rewrite", "alter table orders.orders add column size int generated always as (length(note)) stored"),
        ("constraint-validated", "alter table orders.orders add constraint short check (length(note) < 9)"),
        ("constraint-validated", "alter table orders.orders add column size int check (size > 0)"),
        (
            "constraint-validated",
            "alter table orders.orders add column line uuid references orders.line on delete cascade",
        ),
        ("constraint-validated", "alter table orders.orders add constraint one unique (note)"),
        ("set-not-null", "alter table orders.orders alter column note set not null"),
        ("vacuum", "vacuum full orders.orders"),
        ("cluster", "cluster orders.orders using orders_pkey"),
        ("reindex", "reindex table orders.orders"),
        ("lock-table", "lock table orders.orders in access exclusive mode"),
        ("long-write", "update orders.orders set note = ''"),
        ("long-write", "delete from orders.orders"),
        ("long-write", "truncate orders.orders"),
        ("long-write", "insert into orders.line select * from orders.line"),
        (
            "long-write",
            "create table orders.a (id uuid); insert into orders.a select o.id from (select id from orders.orders) o",
        ),
        ("long-write", "create table orders.a (id uuid); insert into orders.a values ((select id from journal))"),
        (
            "long-write",
            "with gone as (delete from orders.line returning id) insert into orders.line select id from gone",
        ),
        ("long-write", "with gone as (update orders.orders set note = '' returning id) select id from gone"),
        ("long-write", "create table orders.a as select id from orders.orders"),
        ("long-write", "select id into orders.a from orders.orders"),
        ("long-write", "create materialized view orders.a as select id from orders.orders"),
        ("lock-rows", "select id from orders.orders for update"),
        ("lock-rows", "select id from (select id from orders.orders for share) as found"),
        ("called-function", "select orders.fill()"),
        ("called-function", "select pg_advisory_xact_lock(7)"),
        ("called-function", "insert into orders.line values (orders.fill())"),
        ("called-function", "insert into orders.line values (pg_sleep(9))"),
        ("partition-of", "create table orders.late partition of orders.orders for values from ('a') to ('b')"),
        ("partition-of", "create table orders.late () inherits (orders.orders)"),
        ("rewrite", "alter table orders.orders add column code orders.code"),
        (
            "rewrite",
            "create domain orders.word as text check (value <> ''); alter table orders.orders add column w orders.word",
        ),
        (
            "lock-lasts",
            "alter table orders.orders add column a int; create table orders.a as select id from orders.line",
        ),
        ("lock-lasts", "alter table orders.orders add column a int; insert into orders.line select * from orders.line"),
        (
            "lock-lasts",
            "alter table orders.orders add constraint c check (note <> '') not valid;
             alter table orders.orders validate constraint c",
        ),
    ] {
        refused(rule, statement);
        // Saying that it contracts does not help.
        let text = format!("-- contract: since 0.1: nobody reads it\n{statement}");
        let faults = broken(&[("orders/20260202000000_contract_orders", &text)]);
        assert!(faults.iter().any(|fault| fault == rule), "`{statement}` breaks {faults:?}");
    }
}

#[test]
fn what_breaks_the_release_before_is_refused_until_nobody_runs_that_any_more() {
    for (rule, statement) in [
        ("drop", "drop table orders.line"),
        ("drop", "drop index orders.orders_note"),
        ("drop", "drop view orders.totals"),
        ("drop", "drop function orders.total(uuid)"),
        ("drop", "drop trigger guard on orders.orders"),
        ("drop", "alter table orders.orders drop column note"),
        ("drop", "alter table orders.orders drop constraint orders_pkey"),
        ("rename", "alter table orders.orders rename column note to remark"),
        ("rename", "alter table orders.orders rename to sales"),
        ("rename", "alter table orders.orders rename constraint orders_pkey to orders_key"),
        ("required-column", "alter table orders.orders add column shop text not null"),
        ("drop-not-null", "alter table orders.orders alter column status drop not null"),
        ("drop-default", "alter table orders.orders alter column status drop default"),
        ("new-constraint", "alter table orders.orders add constraint c check (note <> '') not valid"),
        (
            "new-constraint",
            "alter table orders.orders add constraint f foreign key (note) references orders.line (id) on delete cascade not valid",
        ),
        ("new-reference", "create table orders.mark (id uuid primary key, order_id uuid references orders.orders)"),
        (
            "new-reference",
            "create table orders.mark (id uuid, order_id uuid, foreign key (order_id) references orders.orders)",
        ),
        (
            "new-trigger",
            "create trigger guard before insert on orders.orders for each row execute function orders.guard()",
        ),
        ("replaced-function", "create or replace function orders.f() returns int language sql as 'select 1'"),
        ("replaced-view", "create or replace view orders.totals as select id, note from orders.orders"),
        ("revoke", "revoke select on orders.orders from somebody"),
        ("drop", "alter table journal drop column id"),
    ] {
        refused(rule, statement);
        let text = format!("-- contract: since 0.1: nobody reads it\n{statement}");
        let faults = broken(&[("orders/20260202000000_contract_orders", &text)]);
        assert!(faults.is_empty(), "`{statement}` breaks {faults:?}");
    }
}

#[test]
fn what_does_no_harm_is_accepted() {
    for statement in [
        "create table orders.mark (id uuid primary key, order_id uuid references orders.orders on delete cascade)",
        "create table orders.mark (id uuid primary key); create unique index mark_id on orders.mark (id);
         alter table orders.mark add column a int not null check (a > 0); alter table orders.mark drop column a",
        "alter table orders.orders add column shop text",
        "alter table orders.orders add column shop text not null default ''",
        "alter table orders.orders add column many int[] not null default '{}', add column low numeric default -1",
        "alter table orders.orders add column day date default '2026-01-01'::date",
        "alter table orders.orders add column size int; alter table orders.orders add constraint c check (size > 0) not valid",
        "alter table orders.orders alter column note set default 'none'",
        "alter table orders.orders set (autovacuum_vacuum_scale_factor = 0.01)",
        "create function orders.f() returns int language sql as 'select 1'",
        "create view orders.notes as select note from orders.orders",
        "comment on table orders.orders is 'a; b'",
        "grant select on orders.orders to somebody",
        "create or replace view orders.notes as select note from orders.orders",
        "insert into orders.line values ('7d0b5b5e-4d0e-7c0a-8a55-0123456789ab', '7d0b5b5e-4d0e-7c0a-8a55-0123456789ac')",
        "create table orders.kind (name text, rank int);
         insert into orders.kind select name, length(name) from unnest(array['a', 'b']) as name on conflict do nothing",
        "alter table orders.orders add column place orders.place",
        "-- no-transaction\ncreate index concurrently if not exists orders_note on orders.orders (note)",
    ] {
        accepted(statement);
    }
}

#[test]
fn not_null_comes_in_steps_and_last_when_nobody_writes_without() {
    let add = (
        "orders/20260202000000_check_note",
        "alter table orders.orders add column size int;
        alter table orders.orders add constraint size_known check (size is not null) not valid;",
    );
    let validate = ("orders/20260203000000_validate_note", "alter table orders.orders validate constraint size_known");
    let require = (
        "orders/20260204000000_contract_note",
        "-- contract: since 0.1: all write it
        alter table orders.orders alter column size set not null",
    );
    assert_eq!(broken(&[add, validate, require]), Vec::<String>::new());
    assert_eq!(broken(&[add, require]), ["set-not-null"]);
}

#[test]
fn what_is_done_without_a_transaction_is_one_statement_that_can_be_repeated() {
    refused("no-transaction", "-- no-transaction\ncreate index concurrently orders_note on orders.orders (note)");
    refused("no-transaction", "-- no-transaction\nalter table orders.orders add column a int");
    refused(
        "no-transaction",
        "-- no-transaction\ncreate index concurrently if not exists a on orders.orders (note);
         create index concurrently if not exists b on orders.orders (status)",
    );
    refused("no-transaction", "create index concurrently if not exists a on orders.orders (note)");
    refused(
        "new-constraint",
        "-- no-transaction\ncreate unique index concurrently if not exists a on orders.orders (note)",
    );
}

#[test]
fn what_cannot_be_judged_is_refused_unless_somebody_answers_for_it() {
    refused("unreadable", "create wonder on orders.orders");
    refused("unreadable", "alter table orders.orders add column a int 'what");
    refused("unknown", "alter table orders.orders disable trigger guard");
    refused("unknown", "call orders.fill()");
    refused("unknown", "set session_replication_role = replica");
    refused("unreadable", "do $$ begin delete from orders.orders; end $$");
    accepted("-- harmless: called-function: it makes three rows\nselect orders.fill()");
    accepted("-- harmless: long-write: ten rows\nupdate orders.orders set note = ''");
    refused("long-write", "-- harmless: long-write:\nupdate orders.orders set note = ''");
    refused("long-write", "-- harmless: drop: nobody uses it\nupdate orders.orders set note = ''");
    // One bad statement does not hide another.
    let both = "create wonder on orders.orders; drop table orders.line";
    assert_eq!(broken(&[("orders/20260202000000_change_orders", both)]), ["unreadable", "drop"]);
}

#[test]
fn names_say_what_contracts_and_in_which_order_all_is_run() {
    let drop = "drop table orders.line";
    assert_eq!(broken(&[("orders/20260202000000_contract_line", drop)]), ["contract"]);
    let reason = format!("-- contract: since 0.1: nobody reads it\n{drop}");
    assert_eq!(broken(&[("orders/20260202000000_drop_line", &reason)]), ["contract", "drop"]);
    assert_eq!(broken(&[("orders/20251231000000_add_note", "create table orders.a (id int)")]), ["out-of-order"]);
    let add = "create table a (id int)";
    assert_eq!(
        broken(&[("orders/20260202000000_add", add), ("campaigns/20260202000000_add", add)]),
        Vec::<String>::new()
    );
    assert_eq!(
        broken(&[("orders/20260202000000_add", add), ("platform/20260202000000_add", add)]),
        ["version-taken", "version-taken"]
    );
}

#[test]
fn every_migration_of_the_project_can_be_read() {
    let all = read(&workspace::root()).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(all.len() > 30, "{}", all.len());
    let mut unread = Vec::new();
    for migration in &all {
        for statement in
            schema::statements(&migration.text).unwrap_or_else(|error| panic!("{}: {error}", migration.path))
        {
            if let Err(error) = statement.parsed {
                unread.push(format!("{}: {}: {error}", migration.path, statement.words.join(" ")));
            }
        }
    }
    assert!(unread.is_empty(), "{}", unread.join("\n"));
}
