use std::collections::BTreeMap;

use clientele_kernel::Code;
use clientele_tabular::survey::survey;
use clientele_tabular::{Delimiter as Parted, Records};
use proptest::prelude::*;

use super::customer::Person;
use super::value::Reader;
use super::*;

fn import(kind: Kind, file: &str) -> Import {
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let mut import = Import::create(Uuid::from_u128(1).into(), kind, "file.csv", Actor::service("test"), now).unwrap();
    let survey = survey(&mut Records::new(file.as_bytes(), Parted::COMMA), 0, true, u64::MAX).unwrap();
    let mut format = Format {
        encoding: "UTF-8".into(),
        has_header: true,
        time_zone: "UTC".into(),
        currency: "EUR".into(),
        order_status: "completed".into(),
        ..Format::default()
    };
    let columns = mapping::suggest(kind, &survey);
    mapping::ways(kind, &columns, &mut format);
    let look = Look { format, columns, total_rows: survey.rows, fingerprint: "abc".into(), ..Look::default() };
    import.take_file(Uuid::from_u128(2), 1, look, now);
    import
}

fn row(cells: &[&str]) -> RawRow {
    RawRow { line: 2, cells: cells.iter().map(|cell| (*cell).to_owned()).collect(), trouble: None }
}

fn fields(header: &str, kind: Kind) -> Vec<String> {
    import(kind, &format!("{header}\n")).look.columns.into_iter().map(|column| column.field).collect()
}

#[test]
fn headers_of_many_programs_are_mapped_as_a_person_would() {
    for (header, wanted) in [
        (
            "First Name,Middle Name,Last Name,E-mail Address,Mobile Phone,Home Phone",
            "first_name,middle_name,last_name,email,phone,phone",
        ),
        (
            "Record ID,First Name,Last Name,Email,Phone Number,Job Title,Create Date",
            "external_id,first_name,last_name,email,phone,,registered_at",
        ),
        (
            "Name,Given Name,Family Name,E-mail 1 - Type,E-mail 1 - Value,Phone 1 - Type,Phone 1 - Value",
            ",first_name,last_name,,email,,phone",
        ),
        ("id,first_name,last_name,email,gender,ip_address,identifier", ",first_name,last_name,email,,,external_id"),
        ("customer_id,customer_unique_id,customer_city", ",external_id,"),
        ("name,email,phone_number", "name,email,phone"),
    ] {
        assert_eq!(fields(header, Kind::Customers).join(","), wanted, "{header}");
    }
    let retail = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
    let wanted = "order.number,line.sku,line.name,line.quantity,order.placed_at,line.unit_price,customer.external_id,customer.country";
    assert_eq!(fields(retail, Kind::Orders).join(","), wanted);
}

#[test]
fn a_row_that_is_a_customer_keeps_all_it_says() {
    let import = import(Kind::Customers, "id,First Name,Last Name,E-mail,Phone,Type\n17850.0,a,b,c@d.example,1,x\n");
    let reader = Reader::new(&import).unwrap();
    let cells =
        ["17850.0", " Ann\nMary ", "Lee", "a@x.example ::: b@x.example", "+34 912 345 678; +34 912 345 679", ""];
    let raw = row(&cells);
    let person = Person::of_row(&reader.values(&raw).unwrap(), None).unwrap();
    assert_eq!(person.reference.unwrap().external_id(), "17850");
    assert_eq!(person.draft.display_name, "Ann Mary Lee");
    assert_eq!((person.draft.emails.len(), person.draft.phones.len()), (2, 2));
    assert_eq!(person.by_line.external_id(), "file-abc-2");
}

#[test]
fn an_import_goes_through_its_states_in_order_alone() {
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let mut import = import(Kind::Customers, "name\nAnn\n");
    let refused = |outcome: Result<(), Error>| assert_eq!(outcome.unwrap_err().code, Code::FailedPrecondition);
    refused(import.cancel(now));
    refused(import.undo(now));
    import.start(true, now).unwrap();
    refused(import.start(false, now));
    refused(import.allow_update());
    import.cancel(now).unwrap();
    assert_eq!((import.state, import.work.trial.is_none()), (State::Ready, true));
    import.start(false, now).unwrap();
    refused(import.undo(now));
    import.work.cursor.rows = 7;
    import.fail(&Error::unavailable("away"));
    import.start(false, now).unwrap();
    assert_eq!((import.work.cursor.rows, import.failure.as_str()), (7, ""), "it goes on where it was");
    import.end(now);
    assert_eq!(import.state, State::Done);
    refused(import.start(false, now));
    refused(import.allow_upload());
    import.undo(now).unwrap();
    import.fail(&Error::unavailable("away"));
    refused(import.start(false, now));
    import.undo(now).unwrap();
    import.end(now);
    assert_eq!((import.state, import.file), (State::Undone, None));
    refused(import.undo(now));
}

#[test]
fn rows_that_were_not_counted_are_counted_by_the_first_run_or_trial_run() {
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let mut import = import(Kind::Customers, "name\nAnn\n");
    import.look.uncounted = true;
    import.start(true, now).unwrap();
    let trial = import.work.trial.as_mut().unwrap();
    assert_eq!(trial.total_rows, 0);
    trial.rows = 9;
    import.end(now);
    assert_eq!((import.look.total_rows, import.look.uncounted), (9, false));
    import.start(false, now).unwrap();
    assert_eq!(import.work.progress.unwrap().total_rows, 9);
}

#[test]
fn what_has_written_nothing_expires_with_its_file_and_what_has_can_still_be_taken_back() {
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let mut ready = import(Kind::Customers, "name\nAnn\n");
    ready.expire();
    assert_eq!((ready.state, ready.file), (State::Expired, None));
    for refused in [ready.start(true, now), ready.allow_upload(), ready.allow_update()] {
        assert!(refused.unwrap_err().message.contains("has expired"));
    }
    assert!(ready.undo(now).is_err());
    let mut stopped = import(Kind::Customers, "name\nAnn\n");
    stopped.start(false, now).unwrap();
    stopped.cancel(now).unwrap();
    stopped.expire();
    assert_eq!((stopped.state, stopped.file), (State::Cancelled, None));
    stopped.undo(now).unwrap();
}

fn order_reader() -> Reader {
    let file = "order_number,date,customer_id,sku,qty,price,total\n1,2020-01-01,7,A,1,1,1\n";
    Reader::new(&import(Kind::Orders, file)).unwrap()
}

#[test]
fn rows_that_disagree_about_their_order_are_refused_all() {
    let reader = order_reader();
    for (one, other, field) in [
        (
            ["1", "2020-01-01", "7", "A", "1", "1", ""],
            ["1", "2020-01-01", "8", "A", "1", "1", ""],
            "customer.external_id",
        ),
        (["1", "2020-01-01", "7", "A", "1", "1", "2"], ["1", "2020-01-01", "7", "A", "1", "1", "3"], "order.total"),
        (["1", "2020-01-01", "7", "A", "1", "1", "3"], ["1", "2020-01-01", "7", "A", "1", "1", "3"], "order.total"),
        (["1", "2020-01-01", "7", "A", "1", "", "3"], ["1", "2020-01-01", "7", "A", "1", "", "3"], "line.unit_price"),
    ] {
        let refused = order::assemble(&reader, "n1", vec![row(&one), row(&other)], None).remove(0).unwrap_err();
        assert_eq!((refused.len(), refused[0].violations[0].field.as_str()), (2, field));
    }
}

#[test]
fn rows_without_a_number_are_an_order_each_known_by_customer_and_moment() {
    let file = "date,customer_id,total\n2020-01-01,7,1\n";
    let reader = Reader::new(&import(Kind::Orders, file)).unwrap();
    let raw = row(&["2020-01-01", "7", "10"]);
    assert_eq!(order::key(&reader.values(&raw).unwrap()).unwrap(), "d7-20200101");
    let orders = order::assemble(&reader, "d7-20200101", vec![raw.clone(), raw], None);
    let ids: Vec<_> = orders.into_iter().map(|order| order.unwrap().external_id).collect();
    assert_eq!(ids, ["7-20200101", "7-20200101-2"]);
}

proptest! {
    #[test]
    fn any_row_is_understood_or_refused_but_never_a_panic(cells in prop::collection::vec(".{0,30}", 0..9)) {
        let reader = order_reader();
        let raw = RawRow { line: 2, cells, trouble: None };
        if let Ok(values) = reader.values(&raw) {
            let _ = (values.understood(), order::key(&values), order::row_violations(&values, None));
            let outcome = order::assemble(&reader, "n1", vec![raw.clone()], None);
            prop_assert_eq!(outcome.len(), 1);
        }
        let customers = import(Kind::Customers, "id,name,email,phone,country,created at\n1,a,b@c.example,2,d,2020-01-01\n");
        let reader = Reader::new(&customers).unwrap();
        if let Ok(values) = reader.values(&raw) {
            let understood: BTreeMap<_, _> = values.understood();
            prop_assert!(understood.len() <= 6);
            let _ = Person::of_row(&values, None);
        }
    }

    #[test]
    fn a_single_total_is_kept_to_the_cent_whatever_the_pieces(cents in -1_000_000_000_i64..1_000_000_000, pieces in 1_u32..100_000) {
        let file = "order_number,date,qty,total\n1,2020-01-01,1,1\n";
        let reader = Reader::new(&import(Kind::Orders, file)).unwrap();
        let total = clientele_kernel::Decimal::new(cents, 2).to_string();
        let raw = row(&["1", "2020-01-01", &pieces.to_string(), &total]);
        let draft = order::assemble(&reader, "n1", vec![raw], None).remove(0).unwrap();
        let amounts = draft.lines.iter().map(|line| {
            clientele_kernel::Money::of_product(line.quantity, line.unit_price, draft.currency).unwrap().minor
        });
        prop_assert_eq!(amounts.sum::<i64>(), cents);
    }
}
