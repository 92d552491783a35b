use clientele_kernel::{ActorKind, UserId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn moment(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn customer() -> CustomerId {
    Uuid::from_u128(1).into()
}

fn author() -> Author {
    let id = UserId::from(Uuid::from_u128(9)).to_string();
    Author { actor: Actor { kind: ActorKind::User, id }, origin: Origin::Web, integration: None }
}

fn address(key: &str) -> TypedAddress {
    TypedAddress { typed: key.to_uppercase(), key: key.to_owned() }
}

fn email(id: u128, key: &str) -> Point {
    Point { id: Uuid::from_u128(id).into(), kind: PointKind::Email, address: address(key) }
}

fn key(point: Option<&Point>, purpose: Option<Purpose>) -> Key {
    Key { channel: Channel::Email, point: point.map(|point| (point.id, point.address.clone())), purpose }
}

/// A ledger written entry by entry, and all that was appended.
struct Book {
    ledger: Ledger,
    log: Vec<Entry>,
}

impl Book {
    fn new() -> Self {
        Self { ledger: Ledger::new(customer(), Vec::new()), log: Vec::new() }
    }

    fn say(&mut self, key: Key, granted: bool) -> Written {
        let number = self.log.len() + 1;
        let id = Uuid::from_u128(1000 + number as u128).into();
        let written = self.ledger.write(key, granted, String::new(), &author(), moment(0), id);
        if let Written::New(entry) = &written {
            self.log.push(entry.clone());
        }
        written
    }

    fn newest(&self) -> Vec<Entry> {
        let later = |entry: &&Entry| !self.log.iter().any(|o| o.ordinal > entry.ordinal && o.key.is_same(&entry.key));
        self.log.iter().filter(later).cloned().collect()
    }

    fn allows(&self, point: &Point, purpose: Purpose) -> bool {
        matches!(verdict(&self.newest(), Channel::Email, point, purpose), Verdict::Granted(_))
    }
}

#[test]
fn at_birth_nothing_is_agreed_to() {
    let point = email(2, "a@example.com");
    assert_eq!(verdict(&[], Channel::Email, &point, Purpose::Service), Verdict::Never);
    let states = states(&[point], &[]);
    assert_eq!((states.len(), states[0].marketing, states[0].service), (1, false, false));
    assert_eq!(states[0].entry, None);
}

#[test]
fn a_consent_for_all_covers_contact_points_that_come_later() {
    let mut book = Book::new();
    book.say(key(None, None), true);
    assert!(book.allows(&email(7, "new@example.com"), Purpose::Marketing));
}

#[test]
fn the_most_restrictive_of_what_applies_wins_whichever_came_last() {
    let point = email(2, "a@example.com");
    for order in [[true, false], [false, true]] {
        let mut book = Book::new();
        for granted in order {
            let (point, purpose) = if granted { (None, None) } else { (Some(&point), Some(Purpose::Marketing)) };
            book.say(key(point, purpose), granted);
        }
        assert!(!book.allows(&point, Purpose::Marketing));
        assert!(book.allows(&point, Purpose::Service));
        assert!(book.allows(&email(3, "b@example.com"), Purpose::Marketing));
    }
}

#[test]
fn a_consent_for_a_contact_point_ends_when_its_address_changes_and_counts_again_when_it_returns() {
    let (old, new) = (email(2, "a@example.com"), email(2, "b@example.com"));
    let mut book = Book::new();
    book.say(key(Some(&old), None), true);
    assert!(book.allows(&old, Purpose::Marketing));
    assert!(!book.allows(&new, Purpose::Marketing));
    let spelled_otherwise =
        Point { address: TypedAddress { typed: "A@Example.com".to_owned(), ..old.address.clone() }, ..old };
    assert!(book.allows(&spelled_otherwise, Purpose::Marketing));
}

#[test]
fn a_withdrawal_stays_with_the_address_when_its_contact_point_is_removed_and_added_again() {
    let (first, again) = (email(2, "a@example.com"), email(3, "a@example.com"));
    let mut book = Book::new();
    book.say(key(None, None), true);
    let Written::New(off) = book.say(key(Some(&first), Some(Purpose::Marketing)), false) else { panic!("it is new") };
    let verdict_of = |book: &Book, point| verdict(&book.newest(), Channel::Email, point, Purpose::Marketing);
    assert_eq!(verdict_of(&book, &again), Verdict::Withdrawn(vec![off.id]));
    assert!(book.allows(&again, Purpose::Service));
    // Said again of the new contact point it is known already.
    assert_eq!(book.say(key(Some(&again), Some(Purpose::Marketing)), false), Written::Known(off));

    // A consent for the new one takes it back, and the former one gets nothing by it.
    assert!(matches!(book.say(key(Some(&again), Some(Purpose::Marketing)), true), Written::New(_)));
    assert!(book.allows(&again, Purpose::Marketing));
    let mut alone = Book::new();
    alone.say(key(Some(&first), None), true);
    assert!(!alone.allows(&again, Purpose::Marketing));
    assert!(matches!(alone.say(key(Some(&again), None), true), Written::New(_)));
    assert!(alone.allows(&again, Purpose::Marketing));
}

#[test]
fn what_holds_already_is_not_written_again() {
    let mut book = Book::new();
    let Written::New(first) = book.say(key(None, None), true) else { panic!("the first entry is new") };
    assert_eq!(book.say(key(None, None), true), Written::Known(first));
    assert!(matches!(book.say(key(None, None), false), Written::New(_)));
    assert!(matches!(book.say(key(None, None), true), Written::New(_)));
    assert_eq!(book.log.iter().map(|entry| entry.ordinal).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_withdrawal_is_an_entry_even_where_nothing_was_given() {
    let mut book = Book::new();
    assert!(matches!(book.say(key(None, Some(Purpose::Marketing)), false), Written::New(_)));
    let point = email(2, "a@example.com");
    let verdict = |purpose| verdict(&book.newest(), Channel::Email, &point, purpose);
    assert!(matches!(verdict(Purpose::Marketing), Verdict::Withdrawn(_)));
    assert_eq!(verdict(Purpose::Service), Verdict::Never);
}

#[test]
fn time_never_runs_back_within_a_ledger() {
    let mut ledger = Ledger::new(customer(), Vec::new());
    let mut write = |granted, second| {
        let id = Uuid::from_u128(u128::from(second)).into();
        ledger.write(key(None, None), granted, String::new(), &author(), moment(i64::from(second)), id)
    };
    let (Written::New(first), Written::New(second)) = (write(true, 9_u32), write(false, 5)) else {
        panic!("both are new")
    };
    assert_eq!((first.recorded_at, second.recorded_at), (moment(9), moment(9)));
}

#[test]
fn of_several_who_share_an_address_all_must_agree() {
    let id = |n: u128| ConsentEntryId::from(Uuid::from_u128(n));
    let of = |verdicts: &[Verdict]| Permission::of_all(verdicts.to_vec());
    let granted = Verdict::Granted(vec![id(1)]);
    let withdrawn = Verdict::Withdrawn(vec![id(2)]);
    assert_eq!(of(&[granted.clone(), granted.clone()]), Permission { refusal: None, entries: vec![id(1), id(1)] });
    assert_eq!(of(&[granted.clone(), Verdict::Never]), Permission::refused(Refusal::NoConsent));
    let refused = Permission { refusal: Some(Refusal::ConsentWithdrawn), entries: vec![id(2)] };
    assert_eq!(of(&[Verdict::Never, withdrawn, granted]), refused);
    assert_eq!(of(&[]), Permission::refused(Refusal::NoConsent));
}

#[test]
fn evidence_is_wanted_where_nobody_sees_the_customer() {
    let statement = |granted, evidence: &str| Statement {
        channel: Channel::Email,
        contact_point_id: String::new(),
        purpose: None,
        granted,
        evidence: evidence.to_owned(),
    };
    for origin in [Origin::Api, Origin::Import] {
        assert_eq!(statement(true, " ").check(origin).unwrap_err().violations[0].field, "evidence");
        assert!(statement(true, "form 3").check(origin).is_ok());
        assert!(statement(false, "").check(origin).is_ok());
    }
    assert!(statement(true, "").check(Origin::Web).is_ok());
    assert!(statement(true, &"x".repeat(2001)).check(Origin::Web).is_err());
}

/// What somebody says: for one of two points, with one of two addresses, or for all; for one purpose or every one.
fn saying() -> impl Strategy<Value = (Option<(u128, &'static str)>, Option<Purpose>, bool)> {
    let address = prop_oneof![Just("a@example.com"), Just("b@example.com")];
    let purpose = prop_oneof![Just(None), Just(Some(Purpose::Marketing)), Just(Some(Purpose::Service))];
    (proptest::option::of((2..4_u128, address)), purpose, any::<bool>())
}

proptest! {
    #[test]
    fn a_message_is_allowed_only_where_the_last_word_on_every_key_is_yes(sayings in prop::collection::vec(saying(), 0..30)) {
        let mut book = Book::new();
        for (point, purpose, granted) in &sayings {
            let point = point.map(|(id, address)| email(id, address));
            book.say(key(point.as_ref(), *purpose), *granted);
        }
        for (id, address) in [(2, "a@example.com"), (2, "b@example.com"), (3, "a@example.com"), (3, "b@example.com")] {
            for purpose in Purpose::ALL {
                // By the words alone, whatever the ledger made of them: the last one on each of the four keys. A yes for
                // an address is none where it was said of another contact point.
                let last = |on: Option<&str>, of: Option<Purpose>| {
                    let word = sayings.iter().rev().find(|(p, q, _)| p.map(|(_, a)| a) == on && *q == of);
                    word.filter(|(p, _, granted)| !granted || p.is_none_or(|(i, _)| i == id)).map(|(.., granted)| *granted)
                };
                let here = Some(address);
                let words: Vec<bool> = [
                    last(None, None), last(None, Some(purpose)), last(here, None), last(here, Some(purpose)),
                ].into_iter().flatten().collect();
                let expected = !words.is_empty() && words.iter().all(|granted| *granted);
                prop_assert_eq!(book.allows(&email(id, address), purpose), expected);
            }
        }
    }

    #[test]
    fn places_in_a_ledger_are_dense(sayings in prop::collection::vec(saying(), 0..30)) {
        let mut book = Book::new();
        for (point, purpose, granted) in sayings {
            book.say(key(point.map(|(id, address)| email(id, address)).as_ref(), purpose), granted);
        }
        prop_assert!(book.log.iter().zip(1..).all(|(entry, place)| entry.ordinal == place));
    }
}
