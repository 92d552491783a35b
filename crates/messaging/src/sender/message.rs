//! A letter as RFC 5322 has it. It follows from the letter alone: every attempt sends the same bytes.

use std::time::SystemTime;

use lettre::address::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use crate::domain::email::Letter;

/// A letter with its envelope.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) from: Address,
    pub(super) to: Address,
    /// The whole letter, head and body.
    pub(super) source: Vec<u8>,
}

impl Composed {
    /// True where the envelope has an address that not every mail server can take.
    pub(super) fn is_international(&self) -> bool {
        [&self.from, &self.to].iter().any(|address| !AsRef::<str>::as_ref(*address).is_ascii())
    }
}

/// The letter; the error says why none can be made.
pub(super) fn of(letter: &Letter) -> Result<Composed, String> {
    let from = address(&letter.from.address)?;
    let to = address(&letter.destination.address)?;
    let name = Some(letter.from.name.clone()).filter(|name| !name.is_empty());
    let written = SystemTime::from(letter.created_at);
    let mut builder = Message::builder()
        .from(Mailbox::new(name, from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(letter.content.subject.clone())
        .message_id(Some(format!("<{}>", letter.message_id)))
        .date(written)
        // A person asked for it: this is no answer of a machine (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "no".to_owned()));
    if !letter.from.reply_to.is_empty() {
        builder = builder.reply_to(Mailbox::new(None, address(&letter.from.reply_to)?));
    }
    let part = |kind: ContentType, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
    let plain = part(ContentType::TEXT_PLAIN, &letter.content.text);
    let message = if letter.content.html.is_empty() {
        builder.singlepart(plain)
    } else {
        let html = part(ContentType::TEXT_HTML, &letter.content.html);
        // From the letter's id rather than from chance, so that a repetition is the same to the byte.
        let boundary = format!("part-{}", letter.id.uuid().simple());
        builder.multipart(MultiPart::alternative().boundary(boundary).singlepart(plain).singlepart(html))
    };
    let message = message.map_err(|error| error.to_string())?;
    Ok(Composed { from, to, source: message.formatted() })
}

/// The address with its domain as the domain name system has it.
fn address(text: &str) -> Result<Address, String> {
    let (user, domain) = text.trim().rsplit_once('@').ok_or("an address has no `@`")?;
    let domain = url::Host::parse(domain).map_err(|error| format!("the domain of an address is wrong: {error}"))?;
    Address::new(user, domain.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use clientele_kernel::{Actor, CustomerId, LetterId};

    use super::*;
    use crate::domain::email::{Accepted, Destination, Draft, Purpose, Recipient, Sender};
    use crate::domain::template::{Content, Texts, Variables};

    fn letter(content: Content, to: &str) -> Letter {
        let id = uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0007);
        Letter::accept(Accepted {
            id: LetterId::from(id),
            draft: Draft {
                customer_id: CustomerId::from(id),
                recipient: Recipient::ContactPoint(id.into()),
                template_id: None,
                variables: Variables::default(),
                texts: Texts::default(),
                purpose: Purpose::Service,
            },
            destination: Destination { contact_point_id: None, address: to.to_owned(), reason: String::new() },
            from: Sender {
                address: "crm@example.com".to_owned(),
                name: "Bücher & Söhne, \"GmbH\"".to_owned(),
                reply_to: "answers@example.com".to_owned(),
            },
            content,
            actor: Actor::service("test"),
            at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        })
    }

    fn content(html: &str) -> Content {
        Content {
            subject: "Ваш заказ №7".to_owned(), text: "Привет,\n.точка\n".to_owned(), html: html.to_owned()
        }
    }

    #[test]
    fn a_letter_has_the_heads_a_letter_needs_and_is_the_same_each_time() {
        let letter = letter(content("<p>x</p>"), "ana@example.com");
        let source = String::from_utf8(of(&letter).unwrap().source).unwrap();
        for head in [
            "Message-ID: <01900000-0000-7000-8000-000000000007@example.com>\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "To: ana@example.com\r\n",
            "Reply-To: answers@example.com\r\n",
            "Auto-Submitted: no\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(source.contains(head), "{head} is missing in {source}");
        }
        assert!(source.is_ascii() && !source.contains("Bücher"), "{source}");
        assert_eq!(source.as_bytes(), of(&letter).unwrap().source);
    }

    #[test]
    fn a_letter_of_plain_text_has_one_part() {
        let source = String::from_utf8(of(&letter(content(""), "ana@example.com")).unwrap().source).unwrap();
        assert!(!source.contains("multipart") && source.contains("Content-Type: text/plain"));
    }

    #[test]
    fn a_domain_beyond_ascii_is_written_as_the_domain_name_system_has_it() {
        let composed = of(&letter(content(""), "ivan@пример.рф")).unwrap();
        assert_eq!(composed.to.to_string(), "ivan@xn--e1afmkfd.xn--p1ai");
        assert!(!composed.is_international());
        assert!(of(&letter(content(""), "иван@example.com")).unwrap().is_international());
    }
}
