//! The customers: people and companies of four languages, how to reach them and what they agreed to.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use clientele_contracts::customers::v1::{
    ConsentChannel, ConsentPurpose, Customer, CustomerKind, Email, Phone, UpsertConsent,
};
use clientele_platform::proto;
use deunicode::deunicode;

use super::calendar::Calendar;
use super::dice::Dice;
use super::shop::COLLEAGUES;
use super::words::{ENDINGS, Language, STEMS, english, portuguese, russian, spanish};

/// How many customers there are.
const CUSTOMERS: usize = 2000;
/// Every so many customers one shares a phone with the one before: a household.
const HOUSEHOLD: usize = 45;
/// Every so many customers one is the one before once more, entered anew: a duplicate to be found.
const DOUBLE: usize = 130;

/// A customer as the company knows them, without ids: the house gives those.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// The customer's number in the company's old system.
    pub(super) number: String,
    pub(super) language: Language,
    /// How letters address them.
    pub(super) addressed: String,
    pub(super) customer: Customer,
    pub(super) consents: Vec<UpsertConsent>,
    /// Place in the list of stores.
    pub(super) store: usize,
    /// Place in the list of colleagues.
    pub(super) manager: Option<usize>,
    pub(super) registered_at: DateTime<Utc>,
    pub(super) currency: &'static str,
}

impl Person {
    pub(super) fn is_company(&self) -> bool {
        self.customer.kind() == CustomerKind::Company
    }

    /// The address letters go to.
    pub(super) fn email(&self) -> Option<&str> {
        self.customer.emails.first().map(|email| email.address.as_str())
    }

    /// Whether advertising may be sent by letter: the last word on it was yes.
    pub(super) fn takes_news(&self) -> bool {
        let on_news = |consent: &&UpsertConsent| {
            consent.channel() == ConsentChannel::Email && consent.purpose() == ConsentPurpose::Marketing
        };
        self.consents.iter().rev().find(on_news).is_some_and(|consent| consent.granted)
    }
}

/// Where somebody lives, and what follows from it.
#[derive(Debug, Clone, Copy)]
struct Place {
    country: &'static str,
    currency: &'static str,
    store: usize,
}

const SPAIN: Place = Place { country: "Spain", currency: "EUR", store: 1 };
const PORTUGAL: Place = Place { country: "Portugal", currency: "EUR", store: 2 };
const BRAZIL: Place = Place { country: "Brazil", currency: "EUR", store: 0 };
const BRITAIN: Place = Place { country: "United Kingdom", currency: "GBP", store: 3 };
const IRELAND: Place = Place { country: "Ireland", currency: "EUR", store: 3 };
const KAZAKHSTAN: Place = Place { country: "Kazakhstan", currency: "KZT", store: 4 };

const PLACES: [Place; 6] = [SPAIN, PORTUGAL, BRAZIL, BRITAIN, IRELAND, KAZAKHSTAN];
/// Area codes of the United Kingdom, each with the exchange that is kept for fiction.
const BRITISH_AREAS: [&str; 6] = ["20 7946", "113 496", "117 496", "131 496", "141 496", "161 496"];

/// All customers.
pub(super) fn people(calendar: Calendar) -> Vec<Person> {
    let mut makers = Makers { dice: Dice::of("people"), addresses: HashSet::new(), numbers: HashMap::new() };
    let mut people: Vec<Person> = Vec::with_capacity(CUSTOMERS);
    for i in 0..CUSTOMERS {
        let number = format!("C-{:05}", i + 1);
        let mut person = match people.last() {
            Some(before) if i % DOUBLE == DOUBLE - 1 => makers.entered_again(before),
            before => makers.person(before.filter(|_| i % HOUSEHOLD == HOUSEHOLD - 1), calendar),
        };
        person.number = number;
        people.push(person);
    }
    people
}

struct Makers {
    dice: Dice,
    /// Addresses given away already.
    addresses: HashSet<String>,
    /// How many phone numbers of a country are given away already.
    numbers: HashMap<&'static str, usize>,
}

impl Makers {
    /// A new customer; one who lives with another speaks their language and has their phones.
    fn person(&mut self, household: Option<&Person>, calendar: Calendar) -> Person {
        let languages =
            [(Language::Spanish, 36), (Language::Portuguese, 20), (Language::English, 20), (Language::Russian, 24)];
        let thrown = self.dice.weighted(&languages).unwrap_or(Language::Spanish);
        let language = household.map_or(thrown, |person| person.language);
        let place = match household.and_then(|person| PLACES.into_iter().find(|p| p.country == person.customer.country))
        {
            Some(place) => place,
            None => self.place(language),
        };
        let is_company = self.dice.chance(9);
        let (name, addressed, local) = if is_company { self.company(language) } else { self.human(language) };
        // The later of two throws: the company has grown.
        let days = self.dice.below(1100).min(self.dice.below(1100));
        let registered_at = calendar.days_ago(days, &mut self.dice);
        let store = if self.dice.chance(45) { 0 } else { place.store };
        let managed = is_company || self.dice.chance(35);
        let customer = Customer {
            kind: if is_company { CustomerKind::Company } else { CustomerKind::Person }.into(),
            display_name: name,
            phones: match household {
                Some(person) => person.customer.phones.clone(),
                None => self.phones(place, is_company),
            },
            emails: self.emails(language, &local, is_company),
            country: place.country.to_owned(),
            registered_at: Some(proto::timestamp(registered_at)),
            ..Customer::default()
        };
        let consents = self.consents(&customer, registered_at, calendar);
        Person {
            number: String::new(),
            language,
            addressed,
            customer,
            consents,
            store,
            manager: managed.then(|| COLLEAGUES.iter().position(|(.., store)| *store == place.store).unwrap_or(0)),
            registered_at,
            currency: place.currency,
        }
    }

    fn place(&mut self, language: Language) -> Place {
        match language {
            Language::Spanish => SPAIN,
            Language::Portuguese if self.dice.chance(20) => BRAZIL,
            Language::Portuguese => PORTUGAL,
            Language::English if self.dice.chance(25) => IRELAND,
            Language::English => BRITAIN,
            Language::Russian => KAZAKHSTAN,
        }
    }

    /// Full name, how letters address them, and what an address of theirs begins with.
    fn human(&mut self, language: Language) -> (String, String, String) {
        let dice = &mut self.dice;
        let is_woman = dice.chance(56);
        let (first, rest, last) = match language {
            Language::English => {
                let first = dice.pick(if is_woman { &english::WOMEN } else { &english::MEN });
                let last = dice.pick(&english::SURNAMES);
                // Thomas Thomas exists, and looks like a mistake of ours.
                let last = if last == first { dice.pick(&english::SURNAMES[..1]) } else { last };
                (first, last.to_owned(), last)
            }
            Language::Spanish => {
                let first = dice.pick(if is_woman { &spanish::WOMEN } else { &spanish::MEN });
                let (last, mother) = (dice.pick(&spanish::SURNAMES), dice.pick(&spanish::SURNAMES));
                (first, format!("{last} {mother}"), last)
            }
            Language::Portuguese => {
                let first = dice.pick(if is_woman { &portuguese::WOMEN } else { &portuguese::MEN });
                let (mother, last) = (dice.pick(&portuguese::SURNAMES), dice.pick(&portuguese::SURNAMES));
                let linked = dice.chance(60);
                let link = portuguese::LINKS.into_iter().find(|(name, _)| linked && *name == last);
                let last_name = link.map_or_else(|| last.to_owned(), |(_, link)| format!("{link} {last}"));
                (first, format!("{mother} {last_name}"), last)
            }
            Language::Russian => {
                let (first, patronymic, last) = russian_name(dice, is_woman);
                let local = format!("{} {}", deunicode(first), deunicode(last));
                // As documents write it: surname first. Letters say name and patronymic.
                return (format!("{last} {first} {patronymic}"), format!("{first} {patronymic}"), local);
            }
        };
        (format!("{first} {rest}"), first.to_owned(), format!("{first} {last}"))
    }

    fn company(&mut self, language: Language) -> (String, String, String) {
        let dice = &mut self.dice;
        let invented = format!("{}{}", dice.pick(&STEMS), dice.pick(&ENDINGS));
        let name = match language {
            Language::English => format!("{invented} {} Ltd", dice.pick(&english::TRADES)),
            Language::Spanish => format!("{} {invented} S.L.", dice.pick(&spanish::TRADES)),
            Language::Portuguese => format!("{} {invented}, Lda", dice.pick(&portuguese::TRADES)),
            Language::Russian => {
                let name = dice.pick(&russian::COMPANIES);
                return (format!("{} «{name}»", dice.pick(&russian::TRADES)), name.to_owned(), deunicode(name));
            }
        };
        (name, invented.clone(), invented)
    }

    /// Numbers of real shape: where a country keeps some for fiction, of those, else of ranges nobody is given.
    fn phones(&mut self, place: Place, is_company: bool) -> Vec<Phone> {
        let dice = &mut self.dice;
        let count = dice.weighted(&[(0, 12), (1, 66), (2, 19), (3, 3)]).unwrap_or(1);
        let mut phones: Vec<Phone> = Vec::new();
        for n in 0..count {
            let given = self.numbers.entry(place.country).or_default();
            let own = *given;
            *given += 1;
            let (thousands, rest) = (own / 1000 % 10, own % 1000);
            let number = match place.country {
                "Spain" => match dice.below(3) {
                    0 => format!("+34 799 00{thousands} {rest:03}"),
                    1 => format!("+34 799 0 0{thousands} {rest:03}"),
                    _ => format!("+3479900{thousands}{rest:03}"),
                },
                "Portugal" => format!("+351 990 00{thousands} {rest:03}"),
                "Brazil" => format!("+55 (11) 9000{thousands}-0{rest:03}"),
                "Ireland" => format!("+353 20 910 {:04}", own % 10_000),
                "United Kingdom" => format!("+44 {} 0{rest:03}", dice.pick(&BRITISH_AREAS)),
                _ => format!("+7 (799) 00{thousands}-{:02}-{:02}", rest / 10, rest % 10),
            };
            let label = if n == 0 && !is_company { "mobile" } else { dice.pick(&["work", "home", "mobile"]) };
            let phone = Phone { number, label: label.to_owned(), ..Phone::default() };
            phones.push(phone);
        }
        phones
    }

    /// Addresses at domains that are kept for examples.
    fn emails(&mut self, language: Language, local: &str, is_company: bool) -> Vec<Email> {
        let count = self.dice.weighted(&[(0, 10), (1, 80), (2, 10)]).unwrap_or(1);
        // Cyrillic soft and hard signs become quotes, which nobody puts into an address.
        let letters = deunicode(local).to_lowercase().replace(['\'', '"', '`'], "");
        let plain: String = letters.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect();
        let plain = plain.split('.').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        let host = match language {
            Language::English => "mail.example",
            Language::Spanish => "correo.example",
            Language::Portuguese => "correio.example",
            Language::Russian => "pochta.example",
        };
        let mut emails = Vec::new();
        for n in 0..count {
            let (local, host) = match (is_company, n) {
                (true, 0) => ("info".to_owned(), format!("{plain}.example")),
                (_, 0) => (plain.clone(), host.to_owned()),
                _ => (plain.clone(), "work.example".to_owned()),
            };
            let free = (1..).map(|n| if n == 1 { format!("{local}@{host}") } else { format!("{local}{n}@{host}") });
            let address = free.take(CUSTOMERS).find(|address| !self.addresses.contains(address));
            if let Some(address) = address {
                self.addresses.insert(address.clone());
                emails.push(Email { address, ..Email::default() });
            }
        }
        emails
    }

    fn consents(&mut self, customer: &Customer, since: DateTime<Utc>, calendar: Calendar) -> Vec<UpsertConsent> {
        let day = since.format("%Y-%m-%d");
        let form = match self.dice.below(3) {
            0 => format!("card of the loyalty programme, signed in the store on {day}"),
            1 => format!("sign-up form 3 of the site, {day}"),
            _ => format!("order form 2 of the site, box ticked on {day}"),
        };
        let mut consents = Vec::new();
        let mut say = |channel: ConsentChannel, address: &str, purpose: ConsentPurpose, granted, evidence: &str| {
            consents.push(UpsertConsent {
                channel: channel.into(),
                address: address.to_owned(),
                purpose: purpose.into(),
                granted,
                evidence: evidence.to_owned(),
            });
        };
        if let Some(email) = customer.emails.first() {
            if self.dice.chance(86) {
                say(ConsentChannel::Email, &email.address, ConsentPurpose::Service, true, &form);
            }
            if self.dice.chance(58) {
                say(ConsentChannel::Email, &email.address, ConsentPurpose::Marketing, true, &form);
                if self.dice.chance(14) {
                    let age = calendar.age(since).unsigned_abs();
                    let left = calendar.days_ago(self.dice.below(age + 1), &mut self.dice).max(since);
                    let evidence = format!("link at the end of a letter, {}", left.format("%Y-%m-%d"));
                    say(ConsentChannel::Email, &email.address, ConsentPurpose::Marketing, false, &evidence);
                }
            }
        }
        if let Some(phone) = customer.phones.first() {
            if self.dice.chance(30) {
                say(ConsentChannel::Sms, &phone.number, ConsentPurpose::Service, true, &form);
            }
            if self.dice.chance(18) {
                say(ConsentChannel::Sms, "", ConsentPurpose::Marketing, true, &form);
            }
            if self.dice.chance(12) {
                say(ConsentChannel::Call, "", ConsentPurpose::Unspecified, true, &form);
            }
        }
        consents
    }

    /// The same customer once more, as a hurried colleague would enter them: the name shortened, the address the same.
    fn entered_again(&mut self, known: &Person) -> Person {
        let mut again = known.clone();
        let mut words: Vec<&str> = known.customer.display_name.split(' ').collect();
        words.truncate(2);
        again.customer.display_name = deunicode_if_latin(&words.join(" "));
        again.customer.phones.truncate(1);
        again.customer.emails.truncate(1);
        again.consents.clear();
        if again.customer.phones.is_empty() && again.customer.emails.is_empty() {
            again.customer.emails = self.emails(known.language, &known.addressed, false);
        }
        again
    }
}

fn russian_name(dice: &mut Dice, is_woman: bool) -> (&'static str, &'static str, &'static str) {
    let first = dice.pick(if is_woman { &russian::WOMEN } else { &russian::MEN });
    let (his, hers) = dice.pick(&russian::PATRONYMICS);
    let (man_s, woman_s) = dice.pick(&russian::SURNAMES);
    if is_woman { (first, hers, woman_s) } else { (first, his, man_s) }
}

/// Without accents; Cyrillic names stay as they are.
fn deunicode_if_latin(name: &str) -> String {
    if name.chars().any(|c| ('\u{400}'..'\u{500}').contains(&c)) { name.to_owned() } else { deunicode(name) }
}
