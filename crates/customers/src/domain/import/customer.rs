//! A row as a customer.

use clientele_kernel::{Error, Reference, Violation, Violations};

use super::value::Values;
use crate::domain::contact::Region;
use crate::domain::customer::{Draft, EmailStatement, Kind, PhoneStatement, Repeats, Statement};

/// A customer that a row tells of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    /// Its line in the file.
    pub(crate) line: u64,
    /// How the source names the customer, where the row says it.
    pub(crate) reference: Option<Reference>,
    /// How a customer is named that comes from a row without id, and is new: by file and line, so that the same file
    /// brought in once more finds it again.
    pub(crate) by_line: Reference,
    /// What the row says.
    pub(crate) draft: Draft,
}

impl Person {
    /// The customer that a row of customers is. What is wrong names fields of the import.
    pub(crate) fn of_row(values: &Values<'_>, region: Option<Region>) -> Result<Self, Vec<Violation>> {
        let mut v = Violations::new();
        let name = match values.line_of_text("name") {
            name if name.is_empty() => ["first_name", "middle_name", "last_name"]
                .map(|part| values.line_of_text(part))
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
            name => name,
        };
        let statement = Statement {
            kind: kind(values.one("kind"), &mut v),
            display_name: name,
            registered_at: values.moment("registered_at", &mut v),
            ..contacts(values, "")
        };
        let person = Self::check(values, "", statement, region, &mut v);
        let nobody = person.as_ref().is_some_and(|person| {
            let draft = &person.draft;
            draft.display_name.is_empty()
                && person.reference.is_none()
                && draft.phones.is_empty()
                && draft.emails.is_empty()
        });
        v.require(!nobody, || {
            let description = "the row says nothing of who it is: a name, an e-mail, a phone or an id is wanted";
            Violation::new("name", description).because("NOBODY_NAMED")
        });
        match person {
            Some(person) if v.is_empty() => Ok(person),
            _ => Err(v.into_inner()),
        }
    }

    /// The customer that a row of orders names; `None` where it names nobody that could be told from others.
    pub(crate) fn of_order(values: &Values<'_>, region: Option<Region>, v: &mut Violations) -> Option<Self> {
        let contacts = contacts(values, "customer.");
        if values.id("customer.external_id").is_empty() && contacts.phones.is_empty() && contacts.emails.is_empty() {
            return None;
        }
        let statement = Statement { display_name: values.line_of_text("customer.name"), ..contacts };
        Self::check(values, "customer.", statement, region, v)
    }

    fn check(
        values: &Values<'_>,
        prefix: &str,
        statement: Statement,
        region: Option<Region>,
        v: &mut Violations,
    ) -> Option<Self> {
        let reader = values.reader();
        let id_field = format!("{prefix}external_id");
        let id = values.id(&id_field);
        let reference = match id {
            "" => None,
            id => match Reference::try_new(&reader.source, id) {
                Ok(reference) => Some(reference),
                Err(error) => {
                    renamed(error, |_| id_field.clone(), v);
                    return None;
                }
            },
        };
        let by_line = Reference::try_new(&reader.source, &format!("file-{}-{}", reader.fingerprint, values.line));
        let by_line = v.take(&id_field, by_line)?;
        match statement.check(region, Repeats::Drop) {
            Ok(draft) => Some(Self { line: values.line, reference, by_line, draft }),
            Err(error) => {
                renamed(error, |path| format!("{prefix}{}", field_of(path)), v);
                None
            }
        }
    }
}

fn contacts(values: &Values<'_>, prefix: &str) -> Statement {
    Statement {
        phones: values
            .all(&format!("{prefix}phone"))
            .map(|number| PhoneStatement { number: number.to_owned(), ..PhoneStatement::default() })
            .collect(),
        emails: values
            .all(&format!("{prefix}email"))
            .flat_map(|cell| cell.split(',').map(str::trim).filter(|address| !address.is_empty()))
            .map(|address| EmailStatement { address: address.to_owned(), ..EmailStatement::default() })
            .collect(),
        country: values.line_of_text(&format!("{prefix}country")),
        ..Statement::default()
    }
}

/// The field of the import that a path within a customer is about.
fn field_of(path: &str) -> &str {
    match path.split(['[', '.']).next().unwrap_or(path) {
        "display_name" => "name",
        "phones" => "phone",
        "emails" => "email",
        other => other,
    }
}

fn renamed(error: Error, field: impl Fn(&str) -> String, v: &mut Violations) {
    for violation in error.violations {
        v.note(Violation { field: field(&violation.field), ..violation });
    }
}

const PERSON: [&str; 9] =
    ["person", "individual", "b2c", "persona", "particular", "pessoa", "cliente final", "человек", "физлицо"];
const COMPANY: [&str; 9] =
    ["company", "organization", "organisation", "business", "b2b", "empresa", "компания", "юрлицо", "организация"];

fn kind(value: &str, v: &mut Violations) -> Option<Kind> {
    let folded = value.to_lowercase();
    if folded.is_empty() {
        None
    } else if PERSON.contains(&folded.as_str()) {
        Some(Kind::Person)
    } else if COMPANY.contains(&folded.as_str()) {
        Some(Kind::Company)
    } else {
        let shown = clientele_kernel::error::shorten(value);
        let description = format!("`{shown}` is no kind of customer: `person` or `company` is wanted");
        v.note(Violation::new("kind", description).because("KIND_UNKNOWN").with("value", shown));
        None
    }
}
