//! Templates, their variables, and the texts of letters made from them.
//!
//! Texts are written in the manner of Jinja, cut down to what a letter needs: values, a few filters, and conditions. There
//! are no loops and no arithmetic, so that a text costs no more than its length.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, Utc};
use clientele_kernel::error::shorten;
use clientele_kernel::{Error, TemplateId, Violations, text};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context};

mod html;
mod syntax;

use html::{clean, to_text};

/// Most characters of a subject.
pub(crate) const LONGEST_SUBJECT: usize = 250;
/// Most characters of a plain text.
pub(crate) const LONGEST_TEXT: usize = 100_000;
/// Most characters of an HTML text.
pub(crate) const LONGEST_HTML: usize = 300_000;
const LONGEST_NAME: usize = 200;

/// Variables every letter has.
const KNOWN: [&str; 4] = ["customer.name", "customer.email", "sender.name", "company.name"];
/// What they are parts of: no variable of one's own has such a name.
const ROOTS: [&str; 3] = ["customer", "sender", "company"];

/// The texts of a letter, with variables. Those that are not there are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The texts of a letter, as it goes out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) subject: String,
    pub(crate) text: String,
    /// Empty for a letter of plain text.
    pub(crate) html: String,
}

/// Values of the variables every letter has.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) customer_name: String,
    pub(crate) customer_email: String,
    pub(crate) sender_name: String,
    pub(crate) company_name: String,
}

/// Values of variables of one's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    const MOST: usize = 50;
    const LONGEST: usize = 5_000;

    /// Takes what is right, noting what is not under `variables`.
    pub(crate) fn check(given: impl IntoIterator<Item = (String, String)>, violations: &mut Violations) -> Self {
        let given: BTreeMap<String, String> = given.into_iter().collect();
        violations.check(given.len() <= Self::MOST, "variables", || {
            format!("{} are given: at most {} are wanted", given.len(), Self::MOST)
        });
        let mut taken = BTreeMap::new();
        for (name, value) in given.into_iter().take(Self::MOST) {
            if !is_name(&name) {
                violations.push("variables", format!("`{}` is no name of a variable", shorten(&name)));
            } else if ROOTS.contains(&name.as_str()) {
                violations.push("variables", format!("`{name}` is known already and cannot be given"));
            } else {
                let value = violations.or_default(text::prose(&value, Self::LONGEST, &format!("variables.{name}")));
                taken.insert(name, value);
            }
        }
        Self(taken)
    }
}

/// A name as Jinja takes one.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

impl Texts {
    /// The texts as they were given: bounded, of characters that texts have. Nothing is said yet of what they mean.
    pub(crate) fn check(subject: &str, text: &str, html: &str, violations: &mut Violations) -> Self {
        Self {
            subject: violations.or_default(text::line(subject, LONGEST_SUBJECT, "subject")),
            text: violations.or_default(text::prose(text, LONGEST_TEXT, "text")),
            html: violations.or_default(text::prose(html, LONGEST_HTML, "html")),
        }
    }

    /// What is given here, and else what the template has. Own text or HTML takes the place of both of the template's,
    /// so that the two parts of a letter never say different things.
    pub(crate) fn or(self, template: Self) -> Self {
        let has_body = !self.text.is_empty() || !self.html.is_empty();
        let (text, html) = if has_body { (self.text, self.html) } else { (template.text, template.html) };
        Self { subject: if self.subject.is_empty() { template.subject } else { self.subject }, text, html }
    }

    fn parts(&self) -> [(&'static str, &str); 3] {
        [("subject", &self.subject), ("text", &self.text), ("html", &self.html)]
    }

    /// The variables of one's own that the texts use, in alphabetical order. Notes, under the names of the texts, what
    /// cannot be understood.
    pub(crate) fn variables(&self, violations: &mut Violations) -> Vec<String> {
        let environment = environment();
        let mut own = BTreeSet::new();
        for (field, source) in self.parts() {
            if let Err(problem) = syntax::check(source) {
                violations.push(field, problem);
                continue;
            }
            match environment.template_from_named_str(field, source) {
                Ok(template) => {
                    for name in template.undeclared_variables(true) {
                        if KNOWN.contains(&name.as_str()) {
                        } else if is_name(&name) && !ROOTS.contains(&name.as_str()) {
                            own.insert(name);
                        } else {
                            let known = KNOWN.join("`, `");
                            violations.push(
                                field,
                                format!("`{}` is no variable: `{known}` and names of one's own are", shorten(&name)),
                            );
                        }
                    }
                }
                Err(error) => violations.push(field, problem_of(&error)),
            }
        }
        own.into_iter().collect()
    }

    /// Fills in the variables, cleans the HTML and makes the plain text where none is given. The error names the texts
    /// and variables at fault.
    pub(crate) fn render(&self, known: &Known, variables: &Variables) -> Result<Content, Error> {
        let mut violations = Violations::new();
        violations.check(!self.subject.is_empty(), "subject", || "is missing".to_owned());
        violations.check(!(self.text.is_empty() && self.html.is_empty()), "text", || {
            "is missing: a text or `html` is wanted".to_owned()
        });
        for name in self.variables(&mut violations) {
            violations.check(variables.0.contains_key(&name), &format!("variables.{name}"), || {
                "is missing: the letter uses it".to_owned()
            });
        }
        if !violations.is_empty() {
            return Err(Error::invalid_all(violations.into_inner()));
        }
        let environment = environment();
        let values = values(known, variables);
        let mut render = |field: &'static str, source: &str, longest: usize| -> String {
            let filled = fill(&environment, field, source, &values, longest);
            violations.take(field, filled).unwrap_or_default()
        };
        let subject = render("subject", &self.subject, LONGEST_SUBJECT);
        let text = render("text", &self.text, LONGEST_TEXT);
        let html = render("html", &self.html, LONGEST_HTML);
        let mut content = Content {
            subject: violations.or_default(text::required_line(&subject, LONGEST_SUBJECT, "subject")),
            text,
            html,
        };
        if !content.html.is_empty() && violations.take("html", html::check(&content.html)).is_some() {
            content.html = clean(&content.html);
            violations.check(!content.html.trim().is_empty(), "html", || {
                "is nothing that a letter may hold: formatting, links and images are kept".to_owned()
            });
            if content.text.trim().is_empty() {
                content.text = violations.take("html", to_text(&content.html)).unwrap_or_default();
            }
        }
        let is_empty = content.text.trim().is_empty() && content.html.is_empty();
        violations.check(!is_empty || !violations.is_empty(), "text", || "is empty once it is filled in".to_owned());
        violations.into_result().map(|()| content)
    }
}

/// A template of e-mails.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) id: TemplateId,
    pub(crate) name: String,
    pub(crate) texts: Texts,
    pub(crate) active: bool,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What people write of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateContent {
    pub(crate) name: String,
    pub(crate) texts: Texts,
    pub(crate) active: bool,
}

impl TemplateContent {
    /// Content that a template may have; the error names the fields, and the lines where they cannot be understood.
    pub(crate) fn check(self) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let name = violations.or_default(text::required_line(&self.name, LONGEST_NAME, "name"));
        let Texts { subject, text, html } = &self.texts;
        let texts = Texts::check(subject, text, html, &mut violations);
        violations.check(!subject.trim().is_empty(), "subject", || {
            format!("is missing: 1 to {LONGEST_SUBJECT} characters are wanted")
        });
        violations.check(!(text.trim().is_empty() && html.trim().is_empty()), "text", || {
            "is missing: a text or `html` is wanted".to_owned()
        });
        if violations.is_empty() {
            let own = texts.variables(&mut violations);
            if violations.is_empty() {
                // Some faults show only when values are filled in, an unknown filter for instance.
                let sample = Variables(own.into_iter().map(|name| (name, "x".to_owned())).collect());
                let [customer_name, customer_email, sender_name, company_name] = ["x"; 4].map(str::to_owned);
                let known = Known { customer_name, customer_email, sender_name, company_name };
                if let Err(error) = texts.render(&known, &sample) {
                    for violation in error.violations {
                        violations.note(violation);
                    }
                }
            }
        }
        violations.into_result().map(|()| Self { name, texts, active: self.active })
    }
}

impl Template {
    /// A new template.
    pub(crate) fn create(id: TemplateId, content: TemplateContent, now: DateTime<Utc>) -> Self {
        let TemplateContent { name, texts, active } = content;
        Self { id, name, texts, active, version: 1, created_at: now, updated_at: now }
    }

    /// What people wrote of it.
    pub(crate) fn content(&self) -> TemplateContent {
        TemplateContent { name: self.name.clone(), texts: self.texts.clone(), active: self.active }
    }

    /// The template with other content; none where nothing changes.
    pub(crate) fn changed(&self, content: TemplateContent, now: DateTime<Utc>) -> Option<Self> {
        (content != self.content()).then(|| {
            let TemplateContent { name, texts, active } = content;
            Self { name, texts, active, version: self.version + 1, updated_at: now, ..self.clone() }
        })
    }

    /// Names of the variables of one's own.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.texts.variables(&mut Violations::new())
    }

    /// How it sorts, and what makes two names the same.
    pub(crate) fn sort_key(&self) -> String {
        self.name.to_lowercase()
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| if name == "html" { AutoEscape::Html } else { AutoEscape::None });
    environment.add_filter("capitalize", minijinja::filters::capitalize);
    environment.add_filter("default", minijinja::filters::default);
    environment.add_filter("lower", minijinja::filters::lower);
    environment.add_filter("title", minijinja::filters::title);
    environment.add_filter("trim", minijinja::filters::trim);
    environment.add_filter("upper", minijinja::filters::upper);
    environment
}

fn values(known: &Known, variables: &Variables) -> Value {
    let Known { customer_name, customer_email, sender_name, company_name } = known;
    let own = variables.0.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let known = [
        ("customer", context! { name => customer_name.as_str(), email => customer_email.as_str() }),
        ("sender", context! { name => sender_name.as_str() }),
        ("company", context! { name => company_name.as_str() }),
    ];
    let all: BTreeMap<String, Value> = own.chain(known.map(|(name, value)| (name.to_owned(), value))).collect();
    Value::from(all)
}

fn fill(
    environment: &Environment<'_>,
    field: &'static str,
    source: &str,
    values: &Value,
    longest: usize,
) -> Result<String, Error> {
    let too_long = || Error::invalid(field, format!("is longer than {longest} characters once it is filled in"));
    let mut out = Bounded { text: Vec::new(), room: longest.saturating_mul(4) };
    let rendered = environment
        .template_from_named_str(field, source)
        .and_then(|template| template.render_captured_to(values.clone(), &mut out).map(drop));
    match rendered {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::WriteFailure => return Err(too_long()),
        Err(error) => return Err(Error::invalid(field, problem_of(&error))),
    }
    let text = String::from_utf8(out.text).map_err(Error::internal)?;
    if text.chars().count() > longest { Err(too_long()) } else { Ok(text) }
}

/// Takes so many bytes and no more.
struct Bounded {
    text: Vec<u8>,
    room: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.room {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is wrong with a text, and in which line.
fn problem_of(error: &minijinja::Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    format!("{line}{}", shorten(&what))
}

#[cfg(test)]
mod tests;
