//! Tests of orders.

use uuid::Uuid;

use super::*;
use crate::domain::line::LineDraft;
use crate::domain::payment::PaymentDraft;
use crate::domain::status::StatusDraft;

fn line(quantity: &str, unit_price: &str) -> LineDraft {
    LineDraft { sku: "A".into(), quantity: quantity.into(), unit_price: unit_price.into(), ..LineDraft::default() }
}

fn draft() -> OrderDraft {
    OrderDraft {
        reference: Some(("shop".into(), "536365".into())),
        placed_at: Some("2010-12-01T08:26:00Z".parse().unwrap()),
        currency: "GBP".into(),
        lines: vec![line("6", "2.55"), line("1", "0"), line("-2", "1.50")],
        ..OrderDraft::default()
    }
}

fn customer(number: u128) -> CustomerId {
    CustomerId::from(Uuid::from_u128(number))
}

fn status(code: &str) -> Status {
    let draft = StatusDraft { code: code.into(), name: code.into(), group: Some(StatusGroup::Completed), position: 0 };
    Status::create(&draft, Uuid::nil()).unwrap()
}

fn order(content: &OrderContent, payments: Vec<Payment>) -> Order {
    let parts = Parts { status: &status("done"), lines: Vec::new(), payments, now: DateTime::UNIX_EPOCH };
    Order::create(OrderId::from(Uuid::nil()), "1".into(), content, parts).unwrap()
}

fn payment(minor: i64, code: &str) -> Payment {
    let amount = Money::new(minor, Currency::from_code(code).unwrap());
    let id = clientele_kernel::PaymentId::from(Uuid::nil());
    Payment { id, reference: None, method: "card".into(), amount, paid_at: DateTime::UNIX_EPOCH, from_source: false }
}

fn fields(draft: &OrderDraft) -> Vec<String> {
    match OrderContent::check_imported(draft) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.into_inner().into_iter().map(|v| v.field).collect(),
    }
}

#[test]
fn sales_and_adjustments_are_summed_apart() {
    let content = OrderContent::check_imported(&draft()).unwrap();
    assert_eq!((content.gross.minor, content.adjustment.minor), (1530, -300));
}

#[test]
fn each_wrong_field_of_an_order_is_named_at_once() {
    let wrong = OrderDraft {
        reference: None,
        customer_id: "17850".into(),
        placed_at: None,
        currency: "GB".into(),
        lines: vec![line("1", "1"), line("NaN", "1")],
        ..draft()
    };
    assert_eq!(
        fields(&wrong),
        [
            "reference",
            "customer_id",
            "placed_at",
            "currency",
            "lines[0].product_id",
            "lines[1].product_id",
            "lines[1].quantity"
        ]
    );
    let ancient = OrderDraft { placed_at: Some("1066-10-14T09:00:00Z".parse().unwrap()), ..draft() };
    assert_eq!(fields(&ancient), ["placed_at"]);
}

#[test]
fn sums_of_sales_and_of_adjustments_are_bounded() {
    let of = |quantities: &[&str]| {
        fields(&OrderDraft {
            lines: quantities.iter().map(|quantity| line(quantity, "1000000000000")).collect(),
            ..draft()
        })
    };
    assert_eq!(of(&["0.5", "0.5", "-0.5", "-0.5"]), [""; 0]);
    assert_eq!(of(&["0.5", "0.501"]), ["lines"]);
    assert_eq!(of(&["-0.5", "-0.501"]), ["lines"]);
    assert_eq!(of(&["90000"]), ["lines[0].unit_price"]);
}

#[test]
fn payments_in_another_currency_or_named_twice_are_refused() {
    let paid = |code: &str| PaymentDraft {
        reference: Some(("shop".into(), "p1".into())),
        amount: Some((100, code.into())),
        ..PaymentDraft::default()
    };
    let wrong = OrderDraft { payments: vec![paid("GBP"), paid("EUR"), paid("GBP")], ..draft() };
    assert_eq!(fields(&wrong), ["payments[1].amount.currency", "payments[2].reference"]);
}

#[test]
fn the_same_content_has_the_same_fingerprint_and_any_difference_another() {
    let hash = |draft: &OrderDraft| OrderContent::check_imported(draft).unwrap().hash(None);
    let first = hash(&draft());
    assert_eq!(first, hash(&draft()));
    let spelled = OrderDraft { lines: vec![line("6.000", "2.550"), line("1", "0.0"), line("-2", "1.5")], ..draft() };
    assert_eq!(first, hash(&spelled), "the spelling of a number is no difference");
    let others = [
        OrderDraft { number: "7".into(), ..draft() },
        OrderDraft { status: "completed".into(), ..draft() },
        OrderDraft { customer_id: customer(1).to_string(), ..draft() },
        OrderDraft { currency: "EUR".into(), ..draft() },
        OrderDraft { lines: vec![line("6", "2.55")], ..draft() },
        OrderDraft { placed_at: Some("2010-12-01T08:27:00Z".parse().unwrap()), ..draft() },
    ];
    for other in others {
        assert_ne!(first, hash(&other), "{other:?}");
    }
}

#[test]
fn leaving_the_customer_out_says_nothing() {
    let named = OrderDraft { customer_id: customer(1).to_string(), ..draft() };
    let named = OrderContent::check_imported(&named).unwrap();
    let unnamed = OrderContent::check_imported(&draft()).unwrap();
    assert_eq!(named.hash(None), unnamed.hash(Some(customer(1))));
}

#[test]
fn a_customer_can_be_set_once_and_not_changed() {
    let allows = |present: Option<CustomerId>, given: Option<CustomerId>| {
        let content = OrderContent::check_imported(&draft()).unwrap();
        let order = order(&OrderContent { customer_id: present, ..content.clone() }, Vec::new());
        let mut violations = Violations::new();
        order.allows(&OrderContent { customer_id: given, ..content }, StatusGroup::Completed, None, &mut violations);
        violations.is_empty()
    };
    assert!(allows(None, Some(customer(1))));
    assert!(allows(Some(customer(1)), None));
    assert!(allows(Some(customer(1)), Some(customer(1))));
    assert!(!allows(Some(customer(1)), Some(customer(2))));
}

#[test]
fn the_currency_stays_where_amounts_recorded_here_are_in_it() {
    let content = OrderContent::check_imported(&draft()).unwrap();
    let other = OrderContent::check_imported(&OrderDraft { currency: "EUR".into(), ..draft() }).unwrap();
    let allows = |order: &Order, given_back: Option<Money>| {
        let mut violations = Violations::new();
        order.allows(&other, StatusGroup::Completed, given_back, &mut violations);
        violations.is_empty()
    };
    assert!(allows(&order(&content, Vec::new()), None));
    assert!(!allows(&order(&content, Vec::new()), Some(payment(1, "GBP").amount)));
    assert!(!allows(&order(&content, vec![payment(1, "GBP")]), None));
}

#[test]
fn what_was_given_back_stays_sold() {
    let content = OrderContent::check_imported(&draft()).unwrap();
    let order = order(&content, Vec::new());
    let refused = |group, minor| {
        let mut violations = Violations::new();
        order.allows(&content, group, Some(payment(minor, "GBP").amount), &mut violations);
        violations.into_inner().into_iter().map(|v| v.field).collect::<Vec<_>>()
    };
    assert_eq!(refused(StatusGroup::Completed, 1530), [""; 0]);
    assert_eq!(refused(StatusGroup::Completed, 1531), ["lines"]);
    assert_eq!(refused(StatusGroup::Cancelled, 1), ["status"]);
}

#[test]
fn a_status_is_changed_only_by_who_saw_the_present_version() {
    let content = OrderContent::check_imported(&draft()).unwrap();
    let mut order = order(&content, Vec::new());
    assert!(order.change_status(&status("sent"), None, Some(Etag(7)), DateTime::UNIX_EPOCH).is_err());
    assert!(order.change_status(&status("sent"), None, Some(Etag(1)), DateTime::UNIX_EPOCH).unwrap());
    assert!(!order.change_status(&status("sent"), None, None, DateTime::UNIX_EPOCH).unwrap(), "nothing is left to do");
    assert_eq!(order.version, 2);
}

#[test]
fn payments_add_up_and_their_sum_is_bounded() {
    let content = OrderContent::check_imported(&draft()).unwrap();
    let mut order = order(&content, Vec::new());
    order.record_payment(payment(1000, "GBP"), DateTime::UNIX_EPOCH).unwrap();
    order.record_payment(payment(530, "GBP"), DateTime::UNIX_EPOCH).unwrap();
    assert_eq!((order.paid.minor, order.version), (1530, 3));
    assert!(order.record_payment(payment(i64::MAX, "GBP"), DateTime::UNIX_EPOCH).is_err());
    assert!(order.record_payment(payment(amount::MOST_MINOR - 1529, "GBP"), DateTime::UNIX_EPOCH).is_err());
    assert_eq!((order.paid.minor, order.version), (1530, 3), "a refused payment leaves no trace");
}
