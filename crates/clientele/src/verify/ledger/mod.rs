//! The ledger of sending, letter by letter, against all that stands beside it: what the journal told of the letter last,
//! what the captured mailbox got, and the letters' own Message-IDs. And letters that are stuck, which no comparison shows.
//!
//! - [`spool`]: all that is read, parted on disk
//! - [`journal`]: what the journal tells
//! - [`stuck`]: letters that nobody works on
//!
//! What a real mail server got cannot be read back; where letters are captured, one said to be sent must be in the mailbox,
//! unless the mailbox has forgotten what is that old, and one that is in it must not be said to be refused.
//!
//! What this cannot see:
//!
//! - a letter handed over twice. The mailbox keeps a letter once, by its id, so that a second copy leaves no trace in it,
//!   and a mail server tells nobody. That no letter goes out twice is held by messaging's own tests, against a mail server
//!   that counts;
//! - whether a letter was allowed: consents are asked at the moment of sending, and may be others by now;
//! - texts and addresses, which the journal holds sealed;
//! - what became of letters older than the oldest one the mailbox keeps, but for those it keeps because they were not settled
//!   for long; or of all where it is empty;
//! - a letter that is gone from ledger and journal alike.

mod journal;
mod spool;
mod stuck;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clientele_contracts::messaging::v1::{Email, ListCapturedEmailsResponse, ListEmailsResponse, SendState};
use clientele_kernel::{Clock, Code, Error, SystemClock};
use prost_types::Timestamp;
use serde::{Deserialize, Serialize};

use self::journal::{Journal, Told};
use self::spool::{Spool, unusable};
use self::stuck::Watch;
use super::{Difference, Found};
use crate::client::Client;

const PAGE: &str = "200";
/// How long before it was settled a letter may have been captured: its worker may have died in between.
const UNSETTLED: i64 = 3_600;
/// How often letters that differ are read again at least, however late it is: a house that is sending goes on meanwhile.
const LEAST_ROUNDS: usize = 3;

/// What ledger or journal say has become of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    state: i32,
    reason: String,
    /// Seconds and nanoseconds of the Unix epoch.
    settled_at: Option<(i64, i32)>,
}

impl Said {
    fn new(state: SendState, reason: &str, settled_at: Option<&Timestamp>) -> Self {
        // A claim is told to nobody: the letter waits until something has become of it.
        let state = if state == SendState::Claimed { SendState::Queued } else { state };
        // Why a letter still waits is no outcome.
        let reason = if state == SendState::Queued { "" } else { reason };
        Self { state: state.into(), reason: reason.to_owned(), settled_at: settled_at.map(|at| (at.seconds, at.nanos)) }
    }

    fn of(email: &Email) -> Self {
        Self::new(email.state(), &email.reason, email.settled_at.as_ref())
    }

    fn in_words(said: Option<&Self>) -> String {
        let Some(Self { state, reason, settled_at }) = said else { return "nothing".to_owned() };
        let state = SendState::try_from(*state).unwrap_or_default().as_str_name();
        let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let at = settled_at.and_then(|(seconds, nanos)| {
            chrono::DateTime::from_timestamp(seconds, u32::try_from(nanos).unwrap_or_default())
        });
        let at = at.map(|at| format!(" at {}", at.to_rfc3339())).unwrap_or_default();
        format!("{state}{why}{at}")
    }
}

/// Something read about a letter.
#[derive(Debug, Serialize, Deserialize)]
enum Fact {
    Ledger {
        said: Said,
        imported: bool,
    },
    /// When, in seconds of the Unix epoch.
    Captured(i64),
    Journal(Said),
}

/// What is known of a letter, from all sides.
#[derive(Debug, Default)]
struct Letter {
    ledger: Option<Said>,
    imported: bool,
    captured: Option<i64>,
    /// What the journal told last.
    journal: Option<Said>,
}

/// Compares every letter; gives how many there are. The house goes on meanwhile: a letter counts as different from the journal
/// only when it stays so after both were read anew.
pub(super) async fn compare(client: &Client, patience: Duration, found: &mut Found) -> Result<usize, Error> {
    let folder = tempfile::tempdir().map_err(|error| unusable(&std::env::temp_dir(), error))?;
    let mut facts = Spool::create(folder.path(), "letters")?;
    let mut message_ids = Spool::create(folder.path(), "message-ids")?;
    let mut watch = Watch::new(SystemClock.now());
    let letters = read_ledger(client, &mut facts, &mut message_ids, &mut watch, found).await?;
    let captures = read_mailbox(client, &mut facts).await?;
    let mut journal = Journal::unread();
    let take = |told: Told| {
        told.worked_on.into_iter().for_each(|at| watch.worked_on(at));
        facts.put(&told.letter, &Fact::Journal(told.said))
    };
    journal.read(client, take).await?;
    watch.tell(found);

    let facts = facts.close()?;
    let mut mailbox = captures.then(Mailbox::default);
    if let Some(mailbox) = &mut mailbox {
        for part in facts.read() {
            for letter in gather(part?).values() {
                mailbox.note(letter);
            }
        }
    }
    let begun = Instant::now();
    for part in facts.read() {
        let mut doubtful = HashMap::new();
        for (id, letter) in gather(part?) {
            if let Some(mailbox) = &mailbox {
                check_mailbox(&id, &letter, mailbox, found);
            }
            if letter.ledger != letter.journal {
                doubtful.insert(id, letter.journal);
            }
        }
        // Each part hears for itself what the journal has told since it was read: what differs at once is no more than a part.
        let left = patience.saturating_sub(begun.elapsed());
        read_anew(client, journal.clone(), doubtful, left, found).await?;
    }
    for part in message_ids.close()?.read() {
        check_message_ids(part?, found);
    }
    Ok(letters)
}

fn query(token: &str) -> [(&'static str, String); 2] {
    [("pageSize", PAGE.to_owned()), ("pageToken", token.to_owned())]
}

async fn read_ledger(
    client: &Client,
    facts: &mut Spool,
    message_ids: &mut Spool,
    watch: &mut Watch,
    found: &mut Found,
) -> Result<usize, Error> {
    let mut letters = 0;
    let mut token = String::new();
    loop {
        let page: ListEmailsResponse = client.get("/v1/emails", &query(&token)).await?;
        for email in page.emails {
            letters += 1;
            check(&email, found);
            if let Some(why) = watch.letter(&email)? {
                found.push(format_args!("letter {} is stuck: {why}", email.id));
            }
            // Letters that another system sent came without one.
            if !email.message_id.is_empty() {
                message_ids.put(&email.message_id, &email.id)?;
            }
            let fact = Fact::Ledger { said: Said::of(&email), imported: email.reference.is_some() };
            facts.put(&email.id, &fact)?;
        }
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(letters);
        }
    }
}

/// What the captured mailbox still keeps.
#[derive(Debug, Default)]
struct Mailbox {
    /// Nothing was forgotten that was captured after this moment, in seconds of the Unix epoch; none where nothing shows it.
    since: Option<i64>,
}

impl Mailbox {
    /// The mailbox forgets the oldest first, but what is not settled: a letter that shows by its being there that nothing
    /// newer was forgotten is one that was settled soon after it was captured.
    fn note(&mut self, letter: &Letter) {
        let settled = letter.ledger.as_ref().and_then(|said| said.settled_at);
        if let (Some(captured), Some((settled, _))) = (letter.captured, settled)
            && settled.saturating_sub(captured) <= UNSETTLED
        {
            self.since = Some(self.since.map_or(captured, |since| since.min(captured)));
        }
    }
}

/// Notes what was captured; false where letters are handed to a mail server.
async fn read_mailbox(client: &Client, facts: &mut Spool) -> Result<bool, Error> {
    let mut token = String::new();
    loop {
        let page: ListCapturedEmailsResponse = client.get("/v1/mailbox", &query(&token)).await?;
        if !page.capturing {
            return Ok(false);
        }
        for letter in page.emails {
            let at = letter.captured_at.map(|at| at.seconds).unwrap_or_default();
            facts.put(&letter.email_id, &Fact::Captured(at))?;
        }
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(true);
        }
    }
}

fn gather(part: Vec<(String, Fact)>) -> HashMap<String, Letter> {
    let mut letters: HashMap<String, Letter> = HashMap::new();
    for (id, fact) in part {
        let letter = letters.entry(id).or_default();
        match fact {
            Fact::Ledger { said, imported } => (letter.ledger, letter.imported) = (Some(said), imported),
            Fact::Captured(at) => letter.captured = Some(at),
            Fact::Journal(said) => letter.journal = Some(said),
        }
    }
    letters
}

/// Whether what the ledger says of a letter makes sense in itself.
fn check(email: &Email, found: &mut Found) {
    let state = email.state();
    let settled = matches!(state, SendState::Sent | SendState::Failed | SendState::Suppressed | SendState::Unknown);
    if settled != email.settled_at.is_some() {
        let (served, right) =
            if settled { ("nothing", "a moment") } else { ("a moment", "nothing: it is not settled") };
        differ(found, &email.id, "settled at", served, right);
    }
    let explained = matches!(state, SendState::Failed | SendState::Suppressed | SendState::Unknown);
    if explained && email.reason.is_empty() {
        differ(found, &email.id, "reason", "nothing", &format!("why it is {}", state.as_str_name()));
    }
}

impl Mailbox {
    /// Whether the letter may be one that is too old for the mailbox.
    fn may_have_forgotten(&self, said: &Said) -> bool {
        let Some(since) = self.since else { return true };
        said.settled_at.is_none_or(|(settled, _)| settled.saturating_sub(UNSETTLED) <= since)
    }
}

/// Where letters are captured: each letter that is sent is in the mailbox, and none that is not.
fn check_mailbox(id: &str, letter: &Letter, mailbox: &Mailbox, found: &mut Found) {
    // One that the ledger does not know was accepted after it was read.
    let Some(said) = letter.ledger.as_ref().filter(|_| !letter.imported) else { return };
    let state = SendState::try_from(said.state).unwrap_or_default();
    let agrees = match state {
        SendState::Sent => letter.captured.is_some() || mailbox.may_have_forgotten(said),
        // On its way, or nobody knows.
        SendState::Queued | SendState::Unknown => true,
        _ => letter.captured.is_none(),
    };
    if !agrees {
        let told = if letter.captured.is_some() { "a captured letter" } else { "no captured letter" };
        differ(found, id, state.as_str_name(), "as such", told);
    }
}

fn check_message_ids(part: Vec<(String, String)>, found: &mut Found) {
    let mut owners: HashMap<String, String> = HashMap::new();
    for (message_id, email) in part {
        if let Some(other) = owners.get(&message_id) {
            // Turned pages may show a letter twice.
            if *other != email {
                differ(found, &email, "Message-ID", "its own", &format!("that of letter {other}"));
            }
        } else {
            owners.insert(message_id, email);
        }
    }
}

/// Reads letters that differ from the journal, and what the journal has told since, until they agree or patience ends.
async fn read_anew(
    client: &Client,
    mut journal: Journal,
    mut doubtful: HashMap<String, Option<Said>>,
    patience: Duration,
    found: &mut Found,
) -> Result<(), Error> {
    let begun = Instant::now();
    for round in 1.. {
        if doubtful.is_empty() {
            break;
        }
        let mut ledger = HashMap::new();
        for id in doubtful.keys() {
            let said = match client.get::<Email>(&format!("/v1/emails/{id}"), &[]).await {
                Ok(email) => Some(Said::of(&email)),
                Err(error) if error.code == Code::NotFound => None,
                Err(error) => return Err(error),
            };
            ledger.insert(id.clone(), said);
        }
        // The letter first: what the journal tells of it was written with it.
        let told = |told: Told| {
            if let Some(known) = doubtful.get_mut(&told.letter) {
                *known = Some(told.said);
            }
            Ok(())
        };
        journal.read(client, told).await?;
        doubtful.retain(|id, told| ledger.get(id) != Some(&*told));
        if round >= LEAST_ROUNDS && begun.elapsed() > patience {
            for (id, told) in &doubtful {
                differ_from_journal(found, id, ledger.get(id).and_then(Option::as_ref), told.as_ref());
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn differ_from_journal(found: &mut Found, id: &str, ledger: Option<&Said>, journal: Option<&Said>) {
    found.push(format_args!(
        "letter {id}: the ledger says {}, the journal's last word is {}",
        Said::in_words(ledger),
        Said::in_words(journal)
    ));
}

fn differ(found: &mut Found, email: &str, figure: &str, served: &str, recomputed: &str) {
    found.push(Difference {
        subject: format!("letter {email}"),
        figure: figure.to_owned(),
        served: served.to_owned(),
        recomputed: recomputed.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: SendState, reason: &str) -> Said {
        Said::new(state, reason, (state != SendState::Queued).then_some(&Timestamp { seconds: 5, nanos: 0 }))
    }

    #[test]
    fn a_letter_at_work_is_told_as_waiting_and_one_that_is_settled_by_all_that_became_of_it() {
        assert_eq!(Said::new(SendState::Claimed, "", None), said(SendState::Queued, ""));
        assert_ne!(said(SendState::Failed, "RECIPIENT_REFUSED"), said(SendState::Failed, "SENDER_REFUSED"));
        assert_ne!(
            said(SendState::Sent, ""),
            Said::new(SendState::Sent, "", Some(&Timestamp { seconds: 6, nanos: 0 }))
        );
        assert_eq!(
            Said::in_words(Some(&said(SendState::Failed, "RECIPIENT_REFUSED"))),
            "SEND_STATE_FAILED (RECIPIENT_REFUSED) at 1970-01-01T00:00:05+00:00"
        );
    }

    #[test]
    fn the_journal_s_last_word_counts() {
        let part = [SendState::Queued, SendState::Queued, SendState::Sent];
        let mut facts: Vec<_> =
            part.map(|state| ("a".to_owned(), Fact::Journal(said(state, "")))).into_iter().collect();
        facts.push(("a".to_owned(), Fact::Ledger { said: said(SendState::Sent, ""), imported: false }));
        let letters = gather(facts);
        assert_eq!(letters["a"].ledger, letters["a"].journal);
    }

    #[test]
    fn a_captured_letter_that_is_told_as_refused_is_found_and_one_sent_that_was_not_captured() {
        let letter = |state, captured: bool| {
            let captured = captured.then_some(4);
            Letter { ledger: Some(said(state, "")), captured, ..Letter::default() }
        };
        let mut found = Found::default();
        let mailbox = Mailbox { since: Some(5 - UNSETTLED - 1) };
        for (state, captured) in [
            (SendState::Sent, true),
            (SendState::Suppressed, false),
            (SendState::Queued, true),
            (SendState::Unknown, false),
        ] {
            check_mailbox("a", &letter(state, captured), &mailbox, &mut found);
        }
        // What is that old the mailbox may have forgotten.
        for since in [None, Some(5 - UNSETTLED), Some(5)] {
            check_mailbox("a", &letter(SendState::Sent, false), &Mailbox { since }, &mut found);
        }
        assert_eq!(found.count(), 0);
        check_mailbox("a", &letter(SendState::Suppressed, true), &mailbox, &mut found);
        check_mailbox("a", &letter(SendState::Sent, false), &mailbox, &mut found);
        assert_eq!(found.count(), 2);
    }

    #[test]
    fn a_letter_that_the_mailbox_keeps_because_it_was_not_settled_does_not_make_it_look_older() {
        let letter = |captured, settled: Option<i64>| {
            let at = settled.map(|seconds| Timestamp { seconds, nanos: 0 });
            let state = if settled.is_some() { SendState::Sent } else { SendState::Queued };
            Letter { ledger: Some(Said::new(state, "", at.as_ref())), captured: Some(captured), ..Letter::default() }
        };
        let mut mailbox = Mailbox::default();
        for kept in [letter(10, None), letter(20, Some(20 + UNSETTLED + 1)), letter(90_000, Some(90_001))] {
            mailbox.note(&kept);
        }
        assert_eq!(mailbox.since, Some(90_000));
        mailbox.note(&letter(80_000, Some(80_000 + UNSETTLED)));
        assert_eq!(mailbox.since, Some(80_000));
        // Sent long before: it was forgotten.
        let forgotten = Letter { captured: None, ..letter(0, Some(40_000)) };
        let mut found = Found::default();
        check_mailbox("a", &forgotten, &mailbox, &mut found);
        assert_eq!(found.count(), 0);
    }

    #[test]
    fn a_message_id_used_by_two_letters_is_found() {
        let mut found = Found::default();
        let pair = |id: &str, email: &str| (id.to_owned(), email.to_owned());
        check_message_ids(vec![pair("x", "1"), pair("y", "2"), pair("x", "1")], &mut found);
        assert_eq!(found.count(), 0);
        check_message_ids(vec![pair("x", "1"), pair("x", "2")], &mut found);
        assert_eq!(found.count(), 1);
    }
}
