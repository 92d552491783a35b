//! The ledger of sending against what the mail server got: nothing settled without an outcome, no Message-ID used twice.
//! What a real mail server got cannot be read back; where letters are captured, both sides are compared letter by letter: one
//! said to be sent must be in the mailbox, and one that is in it must not be said to be refused.
//!
//! What this cannot see is a letter handed over twice. The mailbox keeps a letter once, by its id, so that a second
//! copy leaves no trace in it, and a mail server tells nobody. That no letter goes out twice is held by messaging's own
//! tests, against a mail server that counts.

use std::collections::HashMap;

use clientele_contracts::messaging::v1::{Email, ListCapturedEmailsResponse, ListEmailsResponse, SendState};
use clientele_kernel::Error;

use super::Difference;
use crate::client::Client;

const PAGE: &str = "200";

/// What the ledger says of a letter.
struct Entry {
    state: SendState,
    imported: bool,
    captured: bool,
}

/// Compares every letter; gives how many there are.
pub(super) async fn compare(client: &Client, found: &mut Vec<Difference>) -> Result<usize, Error> {
    let mut entries: HashMap<String, Entry> = HashMap::new();
    let mut message_ids: HashMap<String, String> = HashMap::new();
    let mut token = String::new();
    loop {
        let page: ListEmailsResponse = client.get("/v1/emails", &query(&token)).await?;
        for email in page.emails {
            check(&email, found);
            // Letters that another system sent came without one.
            if !email.message_id.is_empty()
                && let Some(other) = message_ids.insert(email.message_id.clone(), email.id.clone())
            {
                differ(found, &email.id, "Message-ID", "its own", &format!("that of letter {other}"));
            }
            let entry = Entry { state: email.state(), imported: email.reference.is_some(), captured: false };
            entries.insert(email.id, entry);
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    captured(client, &mut entries, found).await?;
    Ok(entries.len())
}

fn query(token: &str) -> [(&'static str, String); 2] {
    [("pageSize", PAGE.to_owned()), ("pageToken", token.to_owned())]
}

/// Whether what the ledger says of a letter makes sense in itself.
fn check(email: &Email, found: &mut Vec<Difference>) {
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

/// Where letters are captured: each letter that is sent is in the mailbox, and none that is not.
async fn captured(
    client: &Client,
    entries: &mut HashMap<String, Entry>,
    found: &mut Vec<Difference>,
) -> Result<(), Error> {
    let mut token = String::new();
    loop {
        let page: ListCapturedEmailsResponse = client.get("/v1/mailbox", &query(&token)).await?;
        if !page.capturing {
            return Ok(());
        }
        for letter in page.emails {
            // One that is not known was accepted after the ledger was read.
            if let Some(entry) = entries.get_mut(&letter.email_id) {
                entry.captured = true;
            }
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    for (id, entry) in entries.iter().filter(|(_, entry)| !entry.imported) {
        let agrees = match entry.state {
            SendState::Sent => entry.captured,
            // On its way, or nobody knows.
            SendState::Queued | SendState::Claimed | SendState::Unknown => true,
            _ => !entry.captured,
        };
        if !agrees {
            let told = if entry.captured { "a captured letter" } else { "no captured letter" };
            differ(found, id, entry.state.as_str_name(), "as such", told);
        }
    }
    Ok(())
}

fn differ(found: &mut Vec<Difference>, email: &str, figure: &str, served: &str, recomputed: &str) {
    found.push(Difference {
        subject: format!("letter {email}"),
        figure: figure.to_owned(),
        served: served.to_owned(),
        recomputed: recomputed.to_owned(),
    });
}
