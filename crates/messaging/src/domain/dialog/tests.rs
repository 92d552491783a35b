use std::sync::Arc;

use chrono::TimeDelta;
use clientele_kernel::{SeededEntropy, SystemClock, Violations};
use proptest::prelude::*;
use uuid::Uuid;

use super::import::{Record, RecordedMessage};
use super::*;
use crate::domain::channel::ChannelStatement;

const ANA: u128 = 1;
const BORIS: u128 = 2;

fn user(number: u128) -> UserId {
    Uuid::from_u128(number).into()
}

fn colleague(number: u128) -> Colleague {
    Colleague { user_id: Some(user(number)), may_reassign: false }
}

fn administrator() -> Colleague {
    Colleague { user_id: Some(user(99)), may_reassign: true }
}

fn said(text: &str) -> Said {
    Said { text: text.to_owned(), client_message_id: Uuid::from_u128(7) }
}

struct Desk {
    ids: Ids,
    now: DateTime<Utc>,
}

impl Desk {
    fn new() -> Self {
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SeededEntropy::new(1)));
        Self { ids, now: DateTime::UNIX_EPOCH + TimeDelta::days(1) }
    }

    fn pen(&self) -> Pen<'_> {
        Pen { now: self.now, ids: &self.ids }
    }

    fn channel(&self) -> Channel {
        let name = ChannelStatement { name: Some("Site"), ..Default::default() };
        Channel::create(self.ids.at(self.now), name.check().unwrap(), &SeededEntropy::new(2), self.now).unwrap()
    }

    fn dialog(&self) -> (Dialog, Vec<Message>) {
        let visitor = Uuid::from_u128(3).into();
        let id = self.ids.at(self.now);
        Dialog::open(id, &self.channel(), visitor, VisitingCard::default(), said("hello"), self.pen())
    }
}

fn contents(added: &[Message]) -> Vec<(i64, Content)> {
    added.iter().map(|message| (message.sequence, message.content.clone())).collect()
}

#[test]
fn a_first_message_opens_a_dialog_of_nobody() {
    let (dialog, added) = Desk::new().dialog();
    let expected = [(1, Content::System(Note::Opened)), (2, Content::Customer("hello".to_owned()))];
    assert_eq!(contents(&added), expected);
    assert_eq!((dialog.state, dialog.assignee_id, dialog.customer_id), (State::Open, None, None));
    assert_eq!((dialog.last_sequence, dialog.read_sequence, dialog.unread_count, dialog.version), (2, 0, 1, 1));
}

#[test]
fn the_first_colleague_who_writes_becomes_responsible_and_another_is_refused() {
    let desk = Desk::new();
    let (mut dialog, _) = desk.dialog();
    let added = dialog.colleague_writes(user(ANA), said("good day"), desk.pen()).unwrap();
    let expected = [
        (3, Content::System(Note::Assigned(Some(user(ANA))))),
        (4, Content::Colleague(Some(user(ANA)), "good day".to_owned())),
    ];
    assert_eq!(contents(&added), expected);
    assert_eq!((dialog.assignee_id, dialog.version), (Some(user(ANA)), 2));
    let before = dialog.clone();
    let refused = dialog.colleague_writes(user(BORIS), said("me too"), desk.pen()).unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::PermissionDenied, "DIALOG_NOT_YOURS"));
    assert_eq!(dialog, before, "a refusal changes nothing");
}

#[test]
fn who_gave_a_dialog_away_may_no_longer_write_in_it() {
    let desk = Desk::new();
    let (mut dialog, _) = desk.dialog();
    dialog.assign(colleague(ANA), Some(user(ANA)), desk.pen()).unwrap();
    dialog.assign(colleague(ANA), Some(user(BORIS)), desk.pen()).unwrap();
    assert!(dialog.colleague_writes(user(ANA), said("still me"), desk.pen()).is_err());
    assert!(dialog.close(colleague(ANA), desk.pen()).is_err());
    assert!(dialog.colleague_writes(user(BORIS), said("my turn"), desk.pen()).is_ok());
}

#[test]
fn only_the_responsible_colleague_or_an_administrator_takes_a_dialog_from_somebody() {
    let desk = Desk::new();
    let (mut dialog, _) = desk.dialog();
    dialog.assign(colleague(BORIS), Some(user(ANA)), desk.pen()).expect("nobody is responsible: anybody may give it");
    for to in [Some(user(BORIS)), None] {
        assert_eq!(dialog.assign(colleague(BORIS), to, desk.pen()).unwrap_err().reason, "DIALOG_NOT_YOURS");
    }
    let program = Colleague { user_id: None, may_reassign: false };
    assert!(dialog.assign(program, None, desk.pen()).is_err());
    assert_eq!(dialog.assign(administrator(), Some(user(BORIS)), desk.pen()).unwrap().len(), 1);
    assert_eq!(dialog.assign(colleague(BORIS), None, desk.pen()).unwrap().len(), 1);
    assert_eq!(dialog.assign(colleague(ANA), None, desk.pen()).unwrap(), [], "it is nobody's already");
}

#[test]
fn a_closed_dialog_opens_when_either_side_writes_and_stays_with_its_colleague() {
    let desk = Desk::new();
    let (mut dialog, _) = desk.dialog();
    dialog.colleague_writes(user(ANA), said("bye"), desk.pen()).unwrap();
    dialog.close(colleague(ANA), desk.pen()).unwrap();
    assert_eq!((dialog.state, dialog.closed_at), (State::Closed, Some(desk.now)));
    assert_eq!(dialog.close(colleague(ANA), desk.pen()).unwrap(), [], "it is closed already");
    let added = dialog.customer_writes(said("one more thing"), VisitingCard::default(), desk.pen());
    assert_eq!(added[0].content, Content::System(Note::Opened));
    assert_eq!((dialog.state, dialog.closed_at, dialog.assignee_id), (State::Open, None, Some(user(ANA))));
    dialog.close(administrator(), desk.pen()).unwrap();
    let added = dialog.colleague_writes(user(ANA), said("hello again"), desk.pen()).unwrap();
    assert_eq!((added.len(), dialog.state), (2, State::Open));
}

#[test]
fn a_visitor_is_one_customer_only() {
    let desk = Desk::new();
    let (mut dialog, _) = desk.dialog();
    let (one, other) = (Uuid::from_u128(10).into(), Uuid::from_u128(11).into());
    assert_eq!(dialog.link(one, desk.pen()).unwrap().len(), 1);
    assert_eq!(dialog.link(one, desk.pen()).unwrap(), []);
    assert_eq!(dialog.link(other, desk.pen()).unwrap_err().reason, "DIALOG_OF_ANOTHER_CUSTOMER");
    assert_eq!((dialog.customer_id, dialog.version), (Some(one), 2));
}

#[test]
fn a_card_that_says_nothing_leaves_name_and_address_as_they_were() {
    let desk = Desk::new();
    let (mut dialog, _) = desk.dialog();
    let card = VisitingCard { name: "Ana".to_owned(), email: String::new() };
    dialog.customer_writes(said("a"), card, desk.pen());
    let card = VisitingCard { name: String::new(), email: "ana@example.com".to_owned() };
    dialog.customer_writes(said("b"), card, desk.pen());
    assert_eq!((dialog.card.name.as_str(), dialog.card.email.as_str()), ("Ana", "ana@example.com"));
}

#[test]
fn a_writer_whose_clock_is_behind_does_not_turn_time_back() {
    let mut desk = Desk::new();
    let (mut dialog, _) = desk.dialog();
    let opened = dialog.last_message.created_at;
    desk.now -= TimeDelta::seconds(5);
    dialog.customer_writes(said("late"), VisitingCard::default(), desk.pen());
    assert_eq!(dialog.last_message.created_at, opened);
}

fn record(texts: &[&str]) -> Record {
    let message = |(minute, text): (i64, &&str)| RecordedMessage {
        from_customer: minute % 2 == 0,
        text: (*text).to_owned(),
        created_at: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute),
    };
    Record {
        reference: Reference::stored("chat", "1"),
        channel_id: Uuid::from_u128(20).into(),
        customer_id: Uuid::from_u128(21).into(),
        messages: (0..).zip(texts).map(message).collect(),
    }
}

#[test]
fn a_recorded_dialog_is_closed_read_and_as_old_as_it_was() {
    let desk = Desk::new();
    let (dialog, entries) =
        record(&["where is it", "on its way"]).into_dialog(&desk.channel(), desk.now, &desk.ids).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(
        (dialog.state, dialog.unread_count, dialog.read_sequence, dialog.last_sequence),
        (State::Closed, 0, 4, 4)
    );
    let minute = |n| DateTime::UNIX_EPOCH + TimeDelta::minutes(n);
    assert_eq!((dialog.opened_at, dialog.closed_at), (minute(0), Some(minute(1))));
    assert_eq!(dialog.last_message.content, Content::Colleague(None, "on its way".to_owned()));
}

#[test]
fn a_record_differs_wherever_one_text_ends_and_the_next_begins() {
    assert_eq!(record(&["ab", "c"]).content_hash(), record(&["ab", "c"]).content_hash());
    assert_ne!(record(&["ab", "c"]).content_hash(), record(&["a", "bc"]).content_hash());
    assert_eq!(record(&[]).into_dialog(&Desk::new().channel(), DateTime::UNIX_EPOCH, &Desk::new().ids), None);
}

#[test]
fn a_recorded_message_is_not_of_the_future_nor_before_the_one_ahead() {
    let now = DateTime::UNIX_EPOCH;
    let mut violations = Violations::new();
    RecordedMessage::check(true, "x", now + TimeDelta::seconds(1), None, now, &mut violations);
    RecordedMessage::check(true, "x", now - TimeDelta::seconds(1), Some(now), now, &mut violations);
    RecordedMessage::check(true, " ", now, Some(now), now, &mut violations);
    let fields: Vec<_> = violations.into_inner().into_iter().map(|v| v.field).collect();
    assert_eq!(fields, ["created_at", "created_at", "text"]);
}

#[derive(Debug, Clone)]
enum Step {
    Customer,
    Write(u128),
    Assign(u128, Option<u128>),
    Close(u128),
    Link(u128),
    Read(i64),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 1_u128..4;
    prop_oneof![
        Just(Step::Customer),
        who.clone().prop_map(Step::Write),
        (who.clone(), prop::option::of(who.clone())).prop_map(|(by, to)| Step::Assign(by, to)),
        who.clone().prop_map(Step::Close),
        who.prop_map(Step::Link),
        (0_i64..30).prop_map(Step::Read),
        (-5_i64..60).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_numbers_are_dense_counts_right_and_only_the_responsible_colleague_writes(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut desk = Desk::new();
        let (mut dialog, mut all) = desk.dialog();
        for step in steps {
            let before = dialog.clone();
            let added = match step {
                Step::Customer => Ok(dialog.customer_writes(said("c"), VisitingCard::default(), desk.pen())),
                Step::Write(by) => dialog.colleague_writes(user(by), said("w"), desk.pen()),
                Step::Assign(by, to) => dialog.assign(colleague(by), to.map(user), desk.pen()),
                Step::Close(by) => dialog.close(colleague(by), desk.pen()),
                Step::Link(customer) => dialog.link(Uuid::from_u128(customer).into(), desk.pen()),
                Step::Read(sequence) => dialog.check_read(sequence).map(|()| {
                    let beyond = all.iter().filter(|m| m.sequence > sequence);
                    let unread = beyond.filter(|m| m.content.speaker() == Some(Speaker::Customer)).count();
                    dialog.mark_read(sequence, i32::try_from(unread).unwrap(), desk.pen());
                    Vec::new()
                }),
                Step::Wait(seconds) => { desk.now += TimeDelta::seconds(seconds); Ok(Vec::new()) }
            };
            let Ok(added) = added else {
                prop_assert_eq!(&dialog, &before, "a refusal changes nothing");
                continue;
            };
            for message in &added {
                if let Content::Colleague(Some(writer), _) = &message.content {
                    prop_assert_eq!(dialog.assignee_id, Some(*writer));
                    prop_assert!(before.assignee_id.is_none_or(|assignee| assignee == *writer));
                }
            }
            all.extend(added);
            prop_assert_eq!(dialog.version - before.version, i64::from(dialog != before), "one change, one version");
            let sequences: Vec<i64> = all.iter().map(|message| message.sequence).collect();
            prop_assert_eq!(&sequences, &(1..=dialog.last_sequence).collect::<Vec<_>>());
            prop_assert!(all.is_sorted_by_key(|message| message.created_at));
            let unread = all.iter().filter(|m| m.sequence > dialog.read_sequence && m.content.speaker() == Some(Speaker::Customer));
            prop_assert_eq!(unread.count(), usize::try_from(dialog.unread_count).unwrap());
            prop_assert_eq!(Some(&dialog.last_message), all.iter().rfind(|m| m.content.speaker().is_some()));
            prop_assert_eq!(dialog.state == State::Closed, dialog.closed_at.is_some());
        }
    }
}
