//! What was said and written: dialogs on the site, and letters.

use chrono::{DateTime, TimeDelta, Utc};
use clientele_contracts::messaging::v1::{ImportedDialog, ImportedDialogMessage, ImportedEmail, Purpose};
use clientele_platform::proto;

use super::calendar::Calendar;
use super::dice::Dice;
use super::people::Person;
use super::sales::{Sale, reference};
use super::shop::{COFFEE, COLLEAGUES, SENDER, WARES};
use super::words::Letter;

const DIALOGS: usize = 280;

/// A dialog of a customer.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    /// Place in the list of customers.
    pub(super) customer: usize,
    pub(super) dialog: ImportedDialog,
}

/// A letter to a customer.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// Place in the list of customers.
    pub(super) customer: usize,
    pub(super) letter: ImportedEmail,
}

/// Dialogs, each about a sale.
pub(super) fn dialogs(people: &[Person], sales: &[Sale], calendar: Calendar) -> Vec<Dialog> {
    let mut dice = Dice::of("dialogs");
    let mut dialogs = Vec::new();
    // Bounded, although by far not every throw is in vain.
    for _ in 0..DIALOGS * 20 {
        if dialogs.len() == DIALOGS {
            break;
        }
        let Some(sale) = dice.place(sales.len()).and_then(|place| sales.get(place)) else { break };
        let Some((place, person)) = sale.customer.and_then(|place| Some((place, people.get(place)?))) else { continue };
        if calendar.age(sale.placed_at) < 4 || person.is_company() {
            continue;
        }
        let fill = Fill::of(person, sale);
        let mut moment = sale.placed_at + TimeDelta::minutes(dice.between(30, 3 * 24 * 60));
        let mut messages = Vec::new();
        for (from_customer, text) in dice.pick(person.language.phrases().scripts) {
            messages.push(ImportedDialogMessage {
                from_customer: *from_customer,
                text: fill.text(text),
                created_at: Some(proto::timestamp(moment)),
            });
            moment += TimeDelta::seconds(dice.between(25, 540));
        }
        let number = format!("D-{:04}", dialogs.len() + 1);
        let dialog = ImportedDialog { reference: Some(reference(&number)), messages, ..ImportedDialog::default() };
        dialogs.push(Dialog { customer: place, dialog });
    }
    dialogs
}

/// Letters about sales, news to those who agreed, and a word to those who stayed away.
pub(super) fn letters(people: &[Person], sales: &[Sale], calendar: Calendar) -> Vec<Sent> {
    let mut desk = Desk { dice: Dice::of("letters"), calendar, letters: Vec::new() };
    let mut last_sale: Vec<Option<&Sale>> = vec![None; people.len()];
    for sale in sales {
        let Some((place, person)) = sale.customer.and_then(|place| Some((place, people.get(place)?))) else { continue };
        if let Some(last) = last_sale.get_mut(place) {
            *last = Some(sale);
        }
        if !desk.dice.chance(6) {
            continue;
        }
        let phrases = person.language.phrases();
        desk.write(place, person, sale, phrases.thanks, Purpose::Service, sale.placed_at + TimeDelta::minutes(3));
        if sale.order.status == "completed" {
            let next_day = sale.placed_at + TimeDelta::hours(26);
            desk.write(place, person, sale, phrases.order_sent, Purpose::Service, next_day);
        }
    }
    for (place, (person, last)) in people.iter().zip(last_sale).enumerate() {
        let Some(sale) = last else { continue };
        let phrases = person.language.phrases();
        let age = calendar.age(sale.placed_at).unsigned_abs();
        if person.takes_news() && desk.dice.chance(40) {
            let moment = calendar.days_ago(desk.dice.below(age.min(90) + 1), &mut desk.dice);
            desk.write(place, person, sale, phrases.news, Purpose::Marketing, moment);
        }
        if age > 200 && person.takes_news() && desk.dice.chance(50) {
            let moment = sale.placed_at + TimeDelta::days(190);
            desk.write(place, person, sale, phrases.missed, Purpose::Marketing, moment);
        }
    }
    desk.letters
}

struct Desk {
    dice: Dice,
    calendar: Calendar,
    letters: Vec<Sent>,
}

impl Desk {
    fn write(
        &mut self,
        place: usize,
        person: &Person,
        sale: &Sale,
        (subject, text): Letter,
        purpose: Purpose,
        moment: DateTime<Utc>,
    ) {
        let Some(address) = person.email().filter(|_| moment < self.calendar.0) else { return };
        let fill = Fill::of(person, sale);
        let number = format!("L-{:05}", self.letters.len() + 1);
        self.letters.push(Sent {
            customer: place,
            letter: ImportedEmail {
                reference: Some(reference(&number)),
                to_address: address.to_owned(),
                from_address: SENDER.to_owned(),
                subject: fill.text(subject),
                text: fill.text(text),
                purpose: purpose.into(),
                sent_at: Some(proto::timestamp(moment)),
                ..ImportedEmail::default()
            },
        });
    }
}

/// The coffee of a sale; where there is none, one that might have been in it.
fn coffee(sale: &Sale) -> &'static str {
    let coffees = || WARES.iter().filter(|ware| ware.category == COFFEE && !ware.by_weight);
    let bought = coffees().find(|ware| sale.order.lines.iter().any(|line| line.sku == ware.sku));
    let place = sale.order.number.bytes().map(usize::from).sum::<usize>() % coffees().count().max(1);
    bought.or_else(|| coffees().nth(place)).map_or("", |ware| ware.name)
}

/// What stands in the places of a text.
struct Fill<'a> {
    name: &'a str,
    order: &'a str,
    product: &'a str,
    colleague: &'a str,
}

impl<'a> Fill<'a> {
    fn of(person: &'a Person, sale: &'a Sale) -> Self {
        let colleague =
            person.manager.and_then(|place| COLLEAGUES.get(place)).map_or("Óscar Lind", |(_, name, ..)| name);
        Self { name: &person.addressed, order: &sale.order.number, product: coffee(sale), colleague }
    }

    fn text(&self, pattern: &str) -> String {
        pattern
            .replace("{name}", self.name)
            .replace("{order}", self.order)
            .replace("{product}", self.product)
            .replace("{colleague}", self.colleague)
    }
}
