//! The customer: what creates one, what changes one, and which rules hold at any time.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::{CustomerId, EmailId, Error, Ids, PhoneId, StoreId, UserId, Violations};

use super::contact::{Address, Email, MOST_EMAILS, MOST_PHONES, Phone, PhoneNumber, Region};
use super::reference::{MOST_REFERENCES, Reference};
use super::text;

/// Person or company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A natural person.
    Person,
    /// A company.
    Company,
}

impl Kind {
    /// The name in storage and in filters.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Company => "company",
        }
    }

    /// Reads the name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Person, Self::Company].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A field of a customer that can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    /// The name.
    DisplayName,
    /// The phones.
    Phones,
    /// The e-mail addresses.
    Emails,
    /// The country.
    Country,
    /// The personal manager.
    ManagerId,
    /// The references.
    References,
    /// When the customer was registered; changes by an upsert alone.
    RegisteredAt,
}

impl Field {
    /// Those a caller may name in an update mask.
    pub(crate) const UPDATABLE: [Self; 6] =
        [Self::DisplayName, Self::Phones, Self::Emails, Self::Country, Self::ManagerId, Self::References];

    /// The name in the contract.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::Phones => "phones",
            Self::Emails => "emails",
            Self::Country => "country",
            Self::ManagerId => "manager_id",
            Self::References => "references",
            Self::RegisteredAt => "registered_at",
        }
    }
}

/// What happened to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was created.
    Created,
    /// These fields changed.
    Updated(BTreeSet<Field>),
}

/// What a caller says about a customer, not yet checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement {
    pub(crate) kind: Option<Kind>,
    pub(crate) display_name: String,
    pub(crate) phones: Vec<PhoneStatement>,
    pub(crate) emails: Vec<EmailStatement>,
    pub(crate) country: String,
    /// Pairs of source and external id.
    pub(crate) references: Vec<(String, String)>,
    pub(crate) manager_id: String,
    pub(crate) store_id: String,
    pub(crate) registered_at: Option<DateTime<Utc>>,
}

/// What a caller says about a phone.
#[derive(Debug, Clone, Default)]
pub(crate) struct PhoneStatement {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) label: String,
}

/// What a caller says about an e-mail address.
#[derive(Debug, Clone, Default)]
pub(crate) struct EmailStatement {
    pub(crate) id: String,
    pub(crate) address: String,
}

/// What to do with a phone, e-mail or reference that is given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// Refuse it: a person typed it and should know.
    Refuse,
    /// Keep the first: other systems repeat themselves, and mean nothing by it.
    Drop,
}

/// A checked statement: every value in it is right by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) kind: Option<Kind>,
    pub(crate) display_name: String,
    pub(crate) phones: Vec<(Option<PhoneId>, PhoneNumber)>,
    pub(crate) emails: Vec<(Option<EmailId>, Address)>,
    pub(crate) country: String,
    pub(crate) references: Vec<Reference>,
    pub(crate) manager_id: Option<UserId>,
    pub(crate) store_id: Option<StoreId>,
    pub(crate) registered_at: Option<DateTime<Utc>>,
}

impl Statement {
    /// The statement without what it says of other fields.
    pub(crate) fn only(&self, fields: &BTreeSet<Field>) -> Self {
        let mut kept = Self::default();
        for field in fields {
            match field {
                Field::DisplayName => kept.display_name.clone_from(&self.display_name),
                Field::Phones => kept.phones.clone_from(&self.phones),
                Field::Emails => kept.emails.clone_from(&self.emails),
                Field::Country => kept.country.clone_from(&self.country),
                Field::ManagerId => kept.manager_id.clone_from(&self.manager_id),
                Field::References => kept.references.clone_from(&self.references),
                Field::RegisteredAt => kept.registered_at = self.registered_at,
            }
        }
        kept
    }

    /// Checks every value; the error names all that are wrong, by their paths within the customer.
    pub(crate) fn check(self, region: Option<Region>, repeats: Repeats) -> Result<Draft, Error> {
        let mut v = Violations::new();
        let display_name = v.take("display_name", text::line(&self.display_name, 300, "display_name"));
        let country = v.take("country", text::line(&self.country, 100, "country"));
        let manager_id = v.take("manager_id", UserId::parse_optional(&self.manager_id, "manager_id")).flatten();
        let store_id = v.take("store_id", StoreId::parse_optional(&self.store_id, "store_id")).flatten();
        v.check(self.registered_at.is_none_or(is_plausible), "registered_at", || {
            "is out of range: a moment between the years 1900 and 9999 is wanted".to_owned()
        });

        let phones = list(&mut v, "phones", self.phones, MOST_PHONES, repeats, |phone| {
            let id = PhoneId::parse_optional(&phone.id, "id")?;
            let number = PhoneNumber::try_new(&phone.number, &phone.label, region)?;
            Ok((number.key(), (id, number)))
        });
        let emails = list(&mut v, "emails", self.emails, MOST_EMAILS, repeats, |email| {
            let id = EmailId::parse_optional(&email.id, "id")?;
            let address = Address::try_new(&email.address)?;
            Ok((address.key(), (id, address)))
        });
        let references = list(&mut v, "references", self.references, MOST_REFERENCES, repeats, |(source, id)| {
            let reference = Reference::try_new(&source, &id)?;
            Ok((reference.clone(), reference))
        });
        v.into_result()?;
        Ok(Draft {
            kind: self.kind,
            display_name: display_name.unwrap_or_default(),
            phones,
            emails,
            country: country.unwrap_or_default(),
            references,
            manager_id,
            store_id,
            registered_at: self.registered_at,
        })
    }
}

/// Checks the entries of a list, each under its own path, and finds repeats by their keys.
fn list<S, K: std::hash::Hash + Eq, T>(
    v: &mut Violations,
    path: &str,
    entries: Vec<S>,
    most: usize,
    repeats: Repeats,
    check: impl Fn(S) -> Result<(K, T), Error>,
) -> Vec<T> {
    if entries.len() > most {
        v.push(path, format!("has {} entries: at most {most} are wanted", entries.len()));
        return Vec::new();
    }
    let mut seen = HashSet::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for (i, entry) in entries.into_iter().enumerate() {
        let path = format!("{path}[{i}]");
        if let Some((key, value)) = v.take(&path, check(entry).map_err(|error| error.within(&path))) {
            if seen.insert(key) {
                kept.push(value);
            } else if repeats == Repeats::Refuse {
                v.push(path, "is given twice: leave one out");
            }
        }
    }
    kept
}

fn is_plausible(moment: DateTime<Utc>) -> bool {
    (-2_208_988_800..253_402_300_800).contains(&moment.timestamp())
}

/// A person or company known to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) kind: Kind,
    pub(crate) display_name: String,
    pub(crate) phones: Vec<Phone>,
    pub(crate) emails: Vec<Email>,
    pub(crate) country: String,
    pub(crate) references: Vec<Reference>,
    pub(crate) manager_id: Option<UserId>,
    pub(crate) store_id: Option<StoreId>,
    pub(crate) registered_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) version: i64,
}

impl Customer {
    /// A new customer. A person when the kind is not said, registered now when the moment is not said.
    pub(crate) fn create(draft: Draft, now: DateTime<Utc>, ids: &Ids) -> Result<Self, Error> {
        let customer = Self {
            id: ids.at(now),
            kind: draft.kind.unwrap_or(Kind::Person),
            display_name: draft.display_name,
            // Ids are set by the server: what a caller sent for a customer that is not there yet means nothing.
            phones: draft.phones.into_iter().map(|(_, number)| Phone { id: ids.at(now), number }).collect(),
            emails: draft.emails.into_iter().map(|(_, address)| Email { id: ids.at(now), address }).collect(),
            country: draft.country,
            references: draft.references,
            manager_id: draft.manager_id,
            store_id: draft.store_id,
            registered_at: draft.registered_at.unwrap_or(now),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        customer.require_name()?;
        Ok(customer)
    }

    /// Changes the fields named to what the draft says; lists are replaced whole. `None` when all is so already.
    pub(crate) fn update(
        &mut self,
        draft: &Draft,
        fields: &BTreeSet<Field>,
        now: DateTime<Utc>,
        ids: &Ids,
    ) -> Result<Option<Event>, Error> {
        let before = self.clone();
        for field in fields {
            match field {
                Field::DisplayName if draft.display_name.is_empty() && !self.display_name.is_empty() => {
                    return Err(Error::invalid("display_name", "is empty: a name that is known cannot be taken away"));
                }
                Field::DisplayName => self.display_name.clone_from(&draft.display_name),
                Field::Phones => self.phones = replaced_phones(&before.phones, &draft.phones, now, ids)?,
                Field::Emails => self.emails = replaced_emails(&before.emails, &draft.emails, now, ids)?,
                Field::Country => self.country.clone_from(&draft.country),
                Field::ManagerId => self.manager_id = draft.manager_id,
                Field::References => self.references.clone_from(&draft.references),
                // Not updatable by a mask; an upsert alone may learn of an earlier moment.
                Field::RegisteredAt => {}
            }
        }
        self.require_name()?;
        Ok(self.note_change(&before, now))
    }

    /// Takes over what another system knows: an empty field keeps the value there is, lists are merged in, and the
    /// earliest registration stands. `None` when nothing is new.
    pub(crate) fn merge(&mut self, draft: &Draft, now: DateTime<Utc>, ids: &Ids) -> Result<Option<Event>, Error> {
        let mut v = Violations::new();
        v.check(draft.kind.is_none_or(|kind| kind == self.kind), "kind", || {
            format!("cannot change after creation: the customer is a {}", self.kind.as_str())
        });
        v.check(draft.store_id.is_none_or(|store| Some(store) == self.store_id), "store_id", || {
            let current = self.store_id.map_or_else(|| "no store".to_owned(), |store| format!("store `{store}`"));
            format!("is set at creation only: the customer has {current}")
        });
        let before = self.clone();
        if !draft.display_name.is_empty() {
            self.display_name.clone_from(&draft.display_name);
        }
        if !draft.country.is_empty() {
            self.country.clone_from(&draft.country);
        }
        self.manager_id = draft.manager_id.or(self.manager_id);
        self.registered_at = draft.registered_at.map_or(self.registered_at, |given| given.min(self.registered_at));
        for (_, given) in &draft.phones {
            match self.phones.iter_mut().find(|phone| phone.number.key() == given.key()) {
                Some(known) if known.number.label().is_empty() => known.number = known.number.labelled(given.label()),
                Some(_) => {}
                None => self.phones.push(Phone { id: ids.at(now), number: given.clone() }),
            }
        }
        for (_, given) in &draft.emails {
            if !self.emails.iter().any(|email| email.address.key() == given.key()) {
                self.emails.push(Email { id: ids.at(now), address: given.clone() });
            }
        }
        for given in &draft.references {
            if !self.references.contains(given) {
                self.references.push(given.clone());
            }
        }
        for (path, count, most) in [
            ("phones", self.phones.len(), MOST_PHONES),
            ("emails", self.emails.len(), MOST_EMAILS),
            ("references", self.references.len(), MOST_REFERENCES),
        ] {
            v.check(count <= most, path, || format!("would be {count} with those known: at most {most} are wanted"));
        }
        if let Err(error) = v.into_result() {
            *self = before;
            return Err(error);
        }
        Ok(self.note_change(&before, now))
    }

    /// The fields in which the two differ.
    pub(crate) fn difference(&self, other: &Self) -> BTreeSet<Field> {
        [
            (Field::DisplayName, self.display_name != other.display_name),
            (Field::Phones, self.phones != other.phones),
            (Field::Emails, self.emails != other.emails),
            (Field::Country, self.country != other.country),
            (Field::ManagerId, self.manager_id != other.manager_id),
            (Field::References, self.references != other.references),
            (Field::RegisteredAt, self.registered_at != other.registered_at),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }

    fn note_change(&mut self, before: &Self, now: DateTime<Utc>) -> Option<Event> {
        let changed = self.difference(before);
        if changed.is_empty() {
            return None;
        }
        self.version += 1;
        self.updated_at = now;
        Some(Event::Updated(changed))
    }

    fn require_name(&self) -> Result<(), Error> {
        if self.display_name.is_empty() && self.references.is_empty() {
            return Err(Error::invalid(
                "display_name",
                "is empty: a name is wanted, unless the customer came from another system (has a reference)",
            ));
        }
        Ok(())
    }
}

/// The new phones. One sent with its id, or with the number it has, keeps its identity.
fn replaced_phones(
    known: &[Phone],
    given: &[(Option<PhoneId>, PhoneNumber)],
    now: DateTime<Utc>,
    ids: &Ids,
) -> Result<Vec<Phone>, Error> {
    let by_key = |number: &PhoneNumber| known.iter().find(|phone| phone.number.key() == number.key()).map(|p| p.id);
    let identities = identities("phones", known.iter().map(|phone| phone.id).collect(), given, by_key)?;
    Ok(identities
        .into_iter()
        .zip(given)
        .map(|(id, (_, number))| Phone { id: id.unwrap_or_else(|| ids.at(now)), number: number.clone() })
        .collect())
}

/// The new e-mail addresses; identity as with phones.
fn replaced_emails(
    known: &[Email],
    given: &[(Option<EmailId>, Address)],
    now: DateTime<Utc>,
    ids: &Ids,
) -> Result<Vec<Email>, Error> {
    let by_key = |address: &Address| known.iter().find(|email| email.address.key() == address.key()).map(|e| e.id);
    let identities = identities("emails", known.iter().map(|email| email.id).collect(), given, by_key)?;
    Ok(identities
        .into_iter()
        .zip(given)
        .map(|(id, (_, address))| Email { id: id.unwrap_or_else(|| ids.at(now)), address: address.clone() })
        .collect())
}

/// Which entry keeps which id. Ids that callers sent are honoured first, so that an entry found by its value cannot
/// take the id another one names.
fn identities<I: Copy + Eq + std::hash::Hash + std::fmt::Display, V>(
    path: &str,
    known: HashSet<I>,
    given: &[(Option<I>, V)],
    by_value: impl Fn(&V) -> Option<I>,
) -> Result<Vec<Option<I>>, Error> {
    let mut violations = Violations::new();
    let mut free = known;
    for (i, (id, _)) in given.iter().enumerate() {
        if let Some(id) = id.filter(|id| !free.remove(id)) {
            let shown = shorten(&id.to_string());
            violations
                .push(format!("{path}[{i}].id"), format!("`{shown}` is not one of this customer's, or is given twice"));
        }
    }
    violations.into_result()?;
    Ok(given.iter().map(|(id, value)| id.or_else(|| by_value(value).filter(|found| free.remove(found)))).collect())
}

#[cfg(test)]
mod tests {
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
}
