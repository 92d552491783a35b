use std::sync::Arc;

use clientele_kernel::{SeededEntropy, SystemClock};
use proptest::prelude::*;

use super::*;

fn ids() -> Ids {
    Ids::new(Arc::new(SystemClock), Arc::new(SeededEntropy::new(1)))
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn named(name: &str) -> Statement {
    Statement { display_name: name.to_owned(), ..Statement::default() }
}

fn phone(number: &str) -> PhoneStatement {
    PhoneStatement { number: number.to_owned(), ..PhoneStatement::default() }
}

fn email(address: &str) -> EmailStatement {
    EmailStatement { address: address.to_owned(), ..EmailStatement::default() }
}

fn check(statement: Statement) -> Result<Draft, Error> {
    statement.check(None, Repeats::Refuse)
}

fn create(statement: Statement) -> Customer {
    Customer::create(check(statement).unwrap(), at(0), &ids()).unwrap()
}

fn update(customer: &mut Customer, statement: Statement, field: Field) -> Result<Option<Event>, Error> {
    customer.update(&check(statement).unwrap(), &BTreeSet::from([field]), at(1), &ids())
}

fn fields(error: &Error) -> Vec<&str> {
    error.violations.iter().map(|violation| violation.field.as_str()).collect()
}

#[test]
fn every_wrong_value_is_told_at_once() {
    let error = check(Statement {
        display_name: "a\0".to_owned(),
        country: "x".repeat(101),
        manager_id: "me".to_owned(),
        phones: vec![phone("+34 912 345 678"), phone("no")],
        emails: vec![email("a@b")],
        references: vec![("Shop".to_owned(), String::new())],
        ..Statement::default()
    })
    .unwrap_err();
    let wanted = [
        "display_name",
        "country",
        "manager_id",
        "phones[1].number",
        "emails[0].address",
        "references[0].source",
        "references[0].external_id",
    ];
    assert_eq!(fields(&error), wanted);
}

#[test]
fn a_person_may_not_give_the_same_phone_twice_but_another_system_may() {
    let twice = || Statement { phones: vec![phone("+34 912 345 678"), phone("0034912345678")], ..named("Ana") };
    assert_eq!(fields(&check(twice()).unwrap_err()), ["phones[1]"]);
    assert_eq!(twice().check(None, Repeats::Drop).unwrap().phones.len(), 1);
}

#[test]
fn lists_are_bounded() {
    let many = Statement { phones: (0..501).map(|i| phone(&format!("x{i:03}"))).collect(), ..named("Ana") };
    assert_eq!(fields(&check(many).unwrap_err()), ["phones"]);
}

#[test]
fn a_name_is_required_unless_the_customer_came_from_another_system() {
    let nameless = check(named("")).unwrap();
    assert_eq!(fields(&Customer::create(nameless, at(0), &ids()).unwrap_err()), ["display_name"]);
    let imported = Statement { references: vec![("shop".to_owned(), "1".to_owned())], ..named("") };
    let mut customer = create(imported);
    let error = update(&mut customer, named(""), Field::References).unwrap_err();
    assert_eq!(fields(&error), ["display_name"]);
}

#[test]
fn a_name_that_is_known_cannot_be_taken_away() {
    let mut customer = create(Statement { references: vec![("shop".to_owned(), "1".to_owned())], ..named("Ana") });
    assert_eq!(fields(&update(&mut customer, named(" "), Field::DisplayName).unwrap_err()), ["display_name"]);
}

#[test]
fn an_update_to_what_is_so_already_is_no_change() {
    let full = || Statement { phones: vec![phone("12345")], emails: vec![email("a@b.co")], ..named("Ana") };
    let mut customer = create(full());
    let before = customer.clone();
    for field in Field::UPDATABLE {
        assert_eq!(update(&mut customer, full(), field).unwrap(), None, "{field:?}");
    }
    assert_eq!(customer, before);
}

#[test]
fn an_update_changes_the_fields_named_and_no_others() {
    let mut customer = create(named("Ana"));
    let given = Statement { country: "Spain".to_owned(), ..named("Bea") };
    let event = update(&mut customer, given, Field::Country).unwrap();
    assert_eq!(event, Some(Event::Updated(BTreeSet::from([Field::Country]))));
    assert_eq!((customer.display_name.as_str(), customer.country.as_str()), ("Ana", "Spain"));
    assert_eq!((customer.version, customer.updated_at), (2, at(1)));
}

#[test]
fn a_phone_keeps_its_identity_by_its_id_or_its_number() {
    let mut customer = create(Statement { phones: vec![phone("11111"), phone("22222")], ..named("Ana") });
    let (first, second) = (customer.phones[0].id, customer.phones[1].id);
    let given = Statement {
        phones: vec![phone("222-22"), PhoneStatement { id: first.to_string(), ..phone("33333") }, phone("44444")],
        ..named("")
    };
    update(&mut customer, given, Field::Phones).unwrap();
    assert_eq!([customer.phones[0].id, customer.phones[1].id], [second, first]);
    assert_eq!(customer.phones.len(), 3);
}

#[test]
fn a_phone_s_id_must_be_the_customer_s_own() {
    let mut customer = create(Statement { phones: vec![phone("11111")], ..named("Ana") });
    let foreign = PhoneStatement { id: ids().next::<PhoneId>().to_string(), ..phone("22222") };
    let given = Statement { phones: vec![foreign], ..named("") };
    let error = update(&mut customer, given, Field::Phones).unwrap_err();
    assert_eq!(fields(&error), ["phones[0].id"]);
}

#[test]
fn a_merge_keeps_what_is_not_given_and_adds_what_is_new() {
    let mut customer = create(Statement {
        phones: vec![phone("11111")],
        country: "Spain".to_owned(),
        registered_at: Some(at(0)),
        ..named("Ana")
    });
    let given = Statement {
        phones: vec![PhoneStatement { label: "work".to_owned(), ..phone("111-11") }, phone("22222")],
        emails: vec![email("a@b.co")],
        registered_at: Some(at(-100)),
        ..named("")
    };
    let draft = given.check(None, Repeats::Drop).unwrap();
    assert!(customer.merge(&draft, at(1), &ids()).unwrap().is_some());
    assert_eq!((customer.display_name.as_str(), customer.country.as_str()), ("Ana", "Spain"));
    assert_eq!(customer.phones.iter().map(|p| p.number.typed()).collect::<Vec<_>>(), ["11111", "22222"]);
    assert_eq!(customer.phones[0].number.label(), "work");
    assert_eq!(customer.registered_at, at(-100));
    assert_eq!(customer.merge(&draft, at(2), &ids()).unwrap(), None);
}

#[test]
fn kind_and_store_are_set_at_creation_only() {
    let mut customer = create(named("Ana"));
    let given = Statement {
        kind: Some(Kind::Company),
        store_id: ids().next::<StoreId>().to_string(),
        country: "Spain".to_owned(),
        ..named("")
    };
    let before = customer.clone();
    let error = customer.merge(&check(given).unwrap(), at(1), &ids()).unwrap_err();
    assert_eq!(fields(&error), ["kind", "store_id"]);
    assert_eq!(customer, before);
}

prop_compose! {
    fn statements()(
        name in "[A-Za-z ]{0,8}",
        country in "(Spain|France|)",
        phones in prop::collection::vec("[0-9]{5}", 0..4),
        emails in prop::collection::vec("[a-c]@[a-c]\\.co", 0..4),
        registered in prop::option::of(-5_i64..5),
    ) -> Statement {
        Statement {
            country,
            phones: phones.iter().map(|number| phone(number)).collect(),
            emails: emails.iter().map(|address| email(address)).collect(),
            references: vec![("shop".to_owned(), "1".to_owned())],
            registered_at: registered.map(at),
            ..named(&name)
        }
    }
}

proptest! {
    #[test]
    fn a_merge_repeated_changes_nothing(first in statements(), second in statements()) {
        let check = |statement: Statement| statement.check(None, Repeats::Drop).unwrap();
        let mut customer = Customer::create(check(first), at(0), &ids()).unwrap();
        let draft = check(second);
        let event = customer.merge(&draft, at(1), &ids()).unwrap();
        prop_assert_eq!(customer.version, if event.is_some() { 2 } else { 1 });
        let after = customer.clone();
        prop_assert_eq!(customer.merge(&draft, at(2), &ids()).unwrap(), None);
        prop_assert_eq!(customer, after);
    }

    #[test]
    fn a_merge_never_forgets_a_contact_point(first in statements(), second in statements()) {
        let check = |statement: Statement| statement.check(None, Repeats::Drop).unwrap();
        let mut customer = Customer::create(check(first), at(0), &ids()).unwrap();
        let before = customer.clone();
        customer.merge(&check(second), at(1), &ids()).unwrap();
        prop_assert!(before.phones.iter().all(|phone| customer.phones.contains(phone)));
        prop_assert!(before.emails.iter().all(|email| customer.emails.contains(email)));
    }
}
