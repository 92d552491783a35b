use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Datelike, TimeZone, Utc};
use clientele_platform::proto;
use prost::Message;
use sha2::{Digest, Sha256};

use super::*;
use crate::demo::words::{Language, portuguese};

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap()
}

fn company() -> Company {
    Company::of(Calendar(noon()))
}

/// Of everything that would be sent, places in lists standing for the ids a house would give.
fn fingerprint(company: &Company) -> String {
    let mut hash = Sha256::new();
    let mut put = |bytes: Vec<u8>| hash.update(Sha256::digest(bytes));
    for person in &company.people {
        put(person.number.clone().into_bytes());
        put(person.customer.encode_to_vec());
        person.consents.iter().for_each(|consent| put(consent.encode_to_vec()));
        put(format!("{} {:?} {}", person.store, person.manager, person.addressed).into_bytes());
    }
    for sale in &company.sales {
        put(format!("{:?}", sale.customer).into_bytes());
        put(sale.order.encode_to_vec());
    }
    for refund in &company.refunds {
        put(refund.sale.to_be_bytes().to_vec());
        put(refund.note.encode_to_vec());
    }
    for dialog in &company.dialogs {
        put(dialog.customer.to_be_bytes().to_vec());
        put(dialog.dialog.encode_to_vec());
    }
    for sent in &company.letters {
        put(sent.customer.to_be_bytes().to_vec());
        put(sent.letter.encode_to_vec());
    }
    hex::encode(hash.finalize())
}

#[test]
fn the_same_moment_makes_the_same_company() {
    assert_eq!(fingerprint(&company()), fingerprint(&company()));
    let other = Company::of(Calendar(noon() + chrono::TimeDelta::days(1)));
    assert_ne!(fingerprint(&company()), fingerprint(&other));
}

#[test]
fn there_are_customers_of_four_languages_and_companies_among_them() {
    let company = company();
    assert_eq!(company.people.len(), 2000);
    for language in [Language::English, Language::Spanish, Language::Portuguese, Language::Russian] {
        let count = company.people.iter().filter(|person| person.language == language).count();
        assert!(count > 250, "{language:?}: {count}");
    }
    assert!(company.people.iter().filter(|person| person.is_company()).count() > 100);
    let cyrillic = |name: &str| name.chars().any(|c| ('а'..='я').contains(&c));
    assert!(company.people.iter().filter(|person| cyrillic(&person.customer.display_name)).count() > 250);
    assert!(company.people.iter().any(|person| person.customer.display_name.ends_with("овна")));
}

#[test]
fn nobody_has_a_name_or_an_address_that_nobody_would_have() {
    for person in company().people.iter().filter(|person| !person.is_company()) {
        let name = &person.customer.display_name;
        let words: Vec<&str> = name.split(' ').collect();
        assert_ne!(words.first(), words.last(), "{name}");
        for (i, link) in words.iter().enumerate().filter(|(_, word)| ["da", "das", "de", "dos"].contains(word)) {
            let known = words.get(i + 1).is_some_and(|last| portuguese::LINKS.contains(&(*last, *link)));
            assert!(person.language == Language::Portuguese && known, "{name}");
        }
        let dots = person.email().map_or(0, |email| email.split('@').next().unwrap_or_default().matches('.').count());
        assert!(dots <= 2, "{name}: {:?}", person.email());
        if person.language == Language::Russian {
            assert!(dots <= 1, "{name}: {:?}", person.email());
        }
    }
}

#[test]
fn nobody_can_be_reached_at_a_real_address() {
    for person in &company().people {
        for email in &person.customer.emails {
            assert!(email.address.is_ascii() && email.address.ends_with(".example"), "{}", email.address);
        }
        for phone in &person.customer.phones {
            let digits: String = phone.number.chars().filter(char::is_ascii_digit).collect();
            // Of ranges nobody is given, or that are kept for fiction.
            let unreal = ["34799", "351990", "55119000", "35320910", "44207946", "44113496", "44117496", "44131496"];
            let unreal = unreal.into_iter().chain(["44141496", "44161496", "7799"]);
            assert!(unreal.into_iter().any(|start| digits.starts_with(start)), "{}", phone.number);
        }
    }
}

#[test]
fn a_consent_is_for_an_address_of_the_customer_and_has_evidence() {
    for person in &company().people {
        let phones = person.customer.phones.iter().map(|phone| &phone.number);
        let addresses: Vec<_> = phones.chain(person.customer.emails.iter().map(|email| &email.address)).collect();
        for consent in &person.consents {
            assert!(consent.address.is_empty() || addresses.contains(&&consent.address), "{}", person.number);
            assert!(!consent.evidence.is_empty());
        }
    }
}

#[test]
fn some_share_a_phone_or_an_address_and_most_do_not() {
    let company = company();
    let mut holders: HashMap<String, usize> = HashMap::new();
    for person in &company.people {
        let phones = person.customer.phones.iter().map(|phone| &phone.number);
        let keys: HashSet<&String> = phones.chain(person.customer.emails.iter().map(|email| &email.address)).collect();
        for key in keys {
            *holders.entry(key.clone()).or_default() += 1;
        }
    }
    let shared = holders.values().filter(|count| **count > 1).count();
    assert!((20..200).contains(&shared), "{shared} of {}", holders.len());
}

#[test]
fn nothing_happens_after_the_making_nor_before_the_customer_came() {
    let company = company();
    let now = noon();
    for sale in &company.sales {
        assert!(sale.placed_at < now);
        if let Some(place) = sale.customer {
            assert!(sale.placed_at >= company.people[place].registered_at);
        }
        for payment in &sale.order.payments {
            assert!(proto::required_instant(payment.paid_at, "paid_at").unwrap() <= now);
        }
    }
    for refund in &company.refunds {
        let issued = proto::required_instant(refund.note.issued_at, "issued_at").unwrap();
        assert!(issued < now && issued > company.sales[refund.sale].placed_at);
    }
    for dialog in &company.dialogs {
        let moments: Vec<_> =
            dialog.dialog.messages.iter().map(|m| proto::required_instant(m.created_at, "at").unwrap()).collect();
        assert!(moments.is_sorted() && moments.iter().all(|moment| *moment < now));
    }
    for sent in &company.letters {
        assert!(proto::required_instant(sent.letter.sent_at, "at").unwrap() < now);
    }
}

#[test]
fn two_years_of_orders_have_seasons_and_every_status() {
    let company = company();
    assert!((5_000..7_500).contains(&company.sales.len()), "{}", company.sales.len());
    let of = |year: i32, month: u32| {
        company.sales.iter().filter(|sale| (sale.placed_at.year(), sale.placed_at.month()) == (year, month)).count()
    };
    // The company grows: a month is compared with those around it.
    let (before, december, after) = (of(2025, 10), of(2025, 12), of(2026, 2));
    assert!(december > before && december > after, "{before}, {december}, {after}");
    let statuses: BTreeSet<&str> = company.sales.iter().map(|sale| sale.order.status.as_str()).collect();
    let expected = ["assembling", "awaiting_payment", "cancelled", "completed", "delivering", "new"];
    assert_eq!(statuses, BTreeSet::from(expected));
    assert!(company.refunds.len() > 100 && company.letters.len() > 500 && company.dialogs.len() > 200);
    let oldest = company.sales.first().map(|sale| (noon() - sale.placed_at).num_days()).unwrap();
    assert!((680..=731).contains(&oldest), "{oldest}");
}

#[test]
fn texts_have_no_place_left_unfilled() {
    let company = company();
    let said = company.dialogs.iter().flat_map(|dialog| dialog.dialog.messages.iter().map(|message| &message.text));
    let written = company.letters.iter().flat_map(|sent| [&sent.letter.subject, &sent.letter.text]);
    for text in said.chain(written) {
        assert!(!text.contains(['{', '}']), "{text}");
    }
}

#[test]
fn every_number_is_given_once() {
    let company = company();
    let numbers: Vec<&String> = company
        .people
        .iter()
        .map(|person| &person.number)
        .chain(company.sales.iter().map(|sale| &sale.order.number))
        .chain(company.refunds.iter().map(|refund| &refund.note.number))
        .collect();
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
}
