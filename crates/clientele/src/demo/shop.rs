//! What the company is: its stores, colleagues, groups, catalogue, templates and segments. Everything is invented.

use campaigns::{Condition, Operator, Rule, Rules, Segment};
use clientele_contracts::campaigns::v1 as campaigns;
use clientele_contracts::campaigns::v1::condition::Value;
use clientele_contracts::campaigns::v1::rule;
use clientele_contracts::messaging::v1::EmailTemplate;
use clientele_contracts::orders::v1::Product;
use clientele_contracts::platform::v1::Money;

use super::SOURCE;

/// Stores: name and time zone.
pub(super) const STORES: [(&str, &str); 5] = [
    ("Tilovar Online", "Europe/Madrid"),
    ("Tilovar Madrid", "Europe/Madrid"),
    ("Tilovar Lisboa", "Europe/Lisbon"),
    ("Tilovar London", "Europe/London"),
    ("Tilovar Almaty", "Asia/Almaty"),
];

/// What everybody on the team may do.
const TEAM: [&str; 14] = [
    "analytics.metric.read",
    "analytics.report.read",
    "analytics.timeline.read",
    "campaigns.segment.read",
    "customers.consent.read",
    "customers.customer.read",
    "identity.store.read",
    "identity.user.read",
    "messaging.channel.read",
    "messaging.dialog.read",
    "messaging.email.read",
    "messaging.template.read",
    "orders.order.read",
    "orders.product.read",
];
/// What those may do besides who speak with customers.
const DESK: [&str; 4] =
    ["customers.consent.write", "customers.customer.write", "messaging.dialog.write", "messaging.email.send"];

/// The groups: name, and what members may do beside what the whole team may.
pub(super) const GROUPS: [(&str, &[&str]); 3] = [
    ("Sales", &["orders.order.write"]),
    ("Support", &[]),
    ("Marketing", &["campaigns.segment.write", "customers.consent.check", "messaging.template.write"]),
];

/// What members of a group may do.
pub(super) fn permissions(group: &str) -> Vec<String> {
    let own = GROUPS.iter().find(|(name, _)| *name == group).map_or(&[] as &[&str], |(_, own)| own);
    TEAM.iter().chain(&DESK).chain(own).map(|permission| (*permission).to_owned()).collect()
}

/// Colleagues: login, name, group, and the store they look after.
pub(super) const COLLEAGUES: [(&str, &str, &str, usize); 6] = [
    ("lucia.ferrer@tilovar.example", "Lucía Ferrer", "Sales", 1),
    ("tiago.moura@tilovar.example", "Tiago Moura", "Sales", 2),
    ("emily.hartley@tilovar.example", "Emily Hartley", "Sales", 3),
    ("dina.akhmetova@tilovar.example", "Дина Ахметова", "Sales", 4),
    ("nuria.vidal@tilovar.example", "Núria Vidal", "Marketing", 0),
    ("oscar.lind@tilovar.example", "Óscar Lind", "Support", 0),
];

/// The letters come from here.
pub(super) const SENDER: &str = "hello@tilovar.example";
/// The name of the channel of the site's widget.
pub(super) const CHANNEL: &str = "Tilovar site";

/// A product: stock-keeping unit, name, category, price in euro cents, and whether it is sold by weight.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ware {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    pub(super) cents: i64,
    pub(super) by_weight: bool,
}

const fn ware(sku: &'static str, name: &'static str, category: &'static str, cents: i64) -> Ware {
    Ware { sku, name, category, cents, by_weight: false }
}

const fn loose(sku: &'static str, name: &'static str, category: &'static str, cents: i64) -> Ware {
    Ware { sku, name, category, cents, by_weight: true }
}

/// The category most talk is about.
pub(super) const COFFEE: &str = "Coffee";
const TEA: &str = "Tea";
const BREW: &str = "Brewing";
const CUPS: &str = "Cups and pots";
const SWEET: &str = "Sweets";
const GIFTS: &str = "Gifts";

/// The catalogue.
pub(super) const WARES: [Ware; 48] = [
    ware("CF-101", "House blend, 250 g", COFFEE, 690),
    ware("CF-102", "House blend, 1 kg", COFFEE, 2390),
    ware("CF-110", "Night Train espresso, 250 g", COFFEE, 790),
    ware("CF-111", "Night Train espresso, 1 kg", COFFEE, 2690),
    ware("CF-120", "Ethiopia Lomi Valley, 250 g", COFFEE, 1150),
    ware("CF-121", "Colombia Alto Prado, 250 g", COFFEE, 990),
    ware("CF-122", "Kenya Red Hill, 250 g", COFFEE, 1250),
    ware("CF-123", "Brazil Serra Clara, 250 g", COFFEE, 890),
    ware("CF-124", "Guatemala Tres Picos, 250 g", COFFEE, 1090),
    ware("CF-130", "Decaf Quiet Evening, 250 g", COFFEE, 890),
    loose("CF-190", "Beans of the month, loose", COFFEE, 3200),
    ware("CF-140", "Cold brew bags, 6 pieces", COFFEE, 750),
    ware("TE-201", "Breakfast tea, 100 g", TEA, 590),
    ware("TE-202", "Earl Grey Blue Cornflower, 100 g", TEA, 690),
    ware("TE-203", "Jasmine pearls, 50 g", TEA, 1190),
    ware("TE-204", "Sencha Green Shore, 100 g", TEA, 990),
    ware("TE-205", "Oolong Stone Garden, 100 g", TEA, 1390),
    ware("TE-206", "Smoked Pine black tea, 100 g", TEA, 790),
    ware("TE-207", "Rooibos with orange peel, 100 g", TEA, 550),
    ware("TE-208", "Mountain herbs, 60 g", TEA, 490),
    loose("TE-290", "Assam, loose", TEA, 5400),
    loose("TE-291", "Mint leaves, loose", TEA, 3900),
    ware("BR-301", "French press, 0.8 l", BREW, 3490),
    ware("BR-302", "Stove-top pot, 4 cups", BREW, 2990),
    ware("BR-303", "Pour-over cone, ceramic", BREW, 2290),
    ware("BR-304", "Paper filters, 100 pieces", BREW, 490),
    ware("BR-305", "Hand grinder", BREW, 6900),
    ware("BR-306", "Burr grinder, electric", BREW, 18900),
    ware("BR-307", "Scale with timer", BREW, 4900),
    ware("BR-308", "Goose-neck kettle", BREW, 7900),
    ware("BR-309", "Milk jug, steel", BREW, 1990),
    ware("BR-310", "Descaler, 0.5 l", BREW, 890),
    ware("CP-401", "Espresso cup, white", CUPS, 790),
    ware("CP-402", "Cappuccino cup, white", CUPS, 990),
    ware("CP-403", "Mug Slate, 0.3 l", CUPS, 1290),
    ware("CP-404", "Tea pot Dune, 1 l", CUPS, 3900),
    ware("CP-405", "Tea glass, set of 4", CUPS, 2400),
    ware("CP-406", "Travel mug, 0.35 l", CUPS, 2790),
    ware("CP-407", "Tea strainer, fine", CUPS, 990),
    ware("SW-501", "Almond biscuits, 200 g", SWEET, 550),
    ware("SW-502", "Dark chocolate 74 %, 80 g", SWEET, 390),
    ware("SW-503", "Orange blossom honey, 250 g", SWEET, 890),
    ware("SW-504", "Candied ginger, 150 g", SWEET, 490),
    ware("SW-505", "Quince paste, 300 g", SWEET, 650),
    ware("GF-601", "Gift box Morning", GIFTS, 3900),
    ware("GF-602", "Gift box Four Teas", GIFTS, 4500),
    ware("GF-603", "Tasting subscription, 3 months", GIFTS, 8900),
    ware("GF-604", "Barista course, one evening", GIFTS, 6500),
];

/// The catalogue as the orders service takes it.
pub(super) fn products() -> Vec<Product> {
    WARES
        .iter()
        .map(|ware| Product {
            source: SOURCE.to_owned(),
            sku: ware.sku.to_owned(),
            name: ware.name.to_owned(),
            category: ware.category.to_owned(),
            ..Product::default()
        })
        .collect()
}

/// Templates of letters.
pub(super) fn templates() -> Vec<EmailTemplate> {
    let template = |name: &str, subject: &str, text: &str, html: &str| EmailTemplate {
        name: name.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
        html: html.to_owned(),
        ..EmailTemplate::default()
    };
    vec![
        template(
            "Order on its way",
            "Your order {{ order_number }} is on its way",
            "Dear {{ customer.name }},\n\nyour order {{ order_number }} left our store today.\n\n{{ sender.name }}\n{{ company.name }}",
            "<p>Dear {{ customer.name }},</p><p>your order <strong>{{ order_number }}</strong> left our store today.</p><p>{{ sender.name }}<br>{{ company.name }}</p>",
        ),
        template(
            "Pedido en camino",
            "Su pedido {{ order_number }} está en camino",
            "Hola, {{ customer.name }}:\n\nsu pedido {{ order_number }} ha salido hoy de nuestra tienda.\n\n{{ sender.name }}\n{{ company.name }}",
            "",
        ),
        template(
            "We miss you",
            "It has been a while, {{ customer.name }}",
            "Dear {{ customer.name }},\n\nwe have not seen you for some time. If anything was not as it should be, please tell us.\n\n{{ sender.name }}",
            "",
        ),
        template(
            "News of the season",
            "New harvest: {{ product }}",
            "",
            "<h1>The new harvest has arrived</h1><p>Dear {{ customer.name }},</p><p>we think you will like our <em>{{ product }}</em>.</p><p>{{ company.name }}</p>",
        ),
    ]
}

/// Segments of customers.
pub(super) fn segments() -> Vec<Segment> {
    let when = |field: &str, operator: Operator, value: Option<Value>| Rule {
        rule: Some(rule::Rule::Condition(Condition {
            field: field.to_owned(),
            operator: operator.into(),
            value,
            currency: String::new(),
        })),
    };
    let all = |rules: Vec<Rule>| Rule { rule: Some(rule::Rule::All(Rules { rules })) };
    let any = |rules: Vec<Rule>| Rule { rule: Some(rule::Rule::Any(Rules { rules })) };
    let days = |number| Some(Value::Number(number));
    let euros = |euros: i64| Some(Value::Money(Money { minor: euros * 100, currency: "EUR".to_owned() }));
    let segment = |name: &str, description: &str, rule: Rule| Segment {
        name: name.to_owned(),
        description: description.to_owned(),
        rule: Some(rule),
        ..Segment::default()
    };
    vec![
        segment("Best customers", "Bought for 500 euros or more", when("metrics.gross", Operator::AtLeast, euros(500))),
        segment(
            "Good customers who fell asleep",
            "Bought for more than 150 euros, and nothing for half a year",
            all(vec![
                when("metrics.gross", Operator::More, euros(150)),
                when("metrics.last_purchase_at", Operator::MoreDaysAgo, days(180)),
            ]),
        ),
        segment(
            "New this month",
            "Registered within the last 30 days",
            when("customer.registered_at", Operator::LessDaysAgo, days(30)),
        ),
        segment(
            "Never bought",
            "Known to us for a month, without a purchase",
            all(vec![
                when("metrics.last_purchase_at", Operator::IsAbsent, None),
                when("customer.registered_at", Operator::MoreDaysAgo, days(30)),
            ]),
        ),
        segment(
            "Companies",
            "Cafés, bakeries and guest houses",
            when("customer.kind", Operator::Equal, Some(Value::Text("company".to_owned()))),
        ),
        segment(
            "Iberia, bought lately",
            "Spain and Portugal, a purchase within 60 days",
            all(vec![
                any(vec![
                    when("customer.country", Operator::Equal, Some(Value::Text("Spain".to_owned()))),
                    when("customer.country", Operator::Equal, Some(Value::Text("Portugal".to_owned()))),
                ]),
                when("metrics.last_purchase_at", Operator::LessDaysAgo, days(60)),
            ]),
        ),
    ]
}
