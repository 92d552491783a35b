//! Lines of orders and credit notes: exact quantities and prices, amounts rounded once, and what a line is.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use clientele_kernel::money::decimal;
use clientele_kernel::{Currency, Decimal, Error, Money, OrderLineId, ProductId, Violation, Violations, text};
use rust_decimal::prelude::ToPrimitive;

use super::amount;
use super::content::ContentHasher;
use super::product::{Catalogue, ProductKey};

/// How many lines an order or credit note has at most.
pub(crate) const MOST_LINES: usize = 2000;

macro_rules! fixed_point {
    ($(#[$about:meta])* $name:ident, places: $places:literal, most: $most:literal) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(i64);

        impl $name {
            /// Reads a plain decimal number; the error names the field.
            pub(crate) fn parse(text: &str, field: &str) -> Result<Self, Error> {
                let number = decimal(text, $places, field)?;
                if number.abs() > Decimal::from($most) {
                    let description = format!("`{text}` is out of range: {} is the most", $most);
                    return Err(Violation::new(field, description).because("AMOUNT_TOO_LARGE").into());
                }
                let scaled = number * Decimal::from(10_i64.pow($places));
                Ok(Self(scaled.to_i64().expect("the bound above times the scale fits 64 bits")))
            }

            /// The number kept in storage.
            pub(crate) const fn from_scaled(scaled: i64) -> Self {
                Self(scaled)
            }

            /// The number to keep in storage.
            pub(crate) const fn scaled(self) -> i64 {
                self.0
            }

            fn decimal(self) -> Decimal {
                Decimal::new(self.0, $places).normalize()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.decimal().fmt(f)
            }
        }
    };
}

fixed_point! {
    /// How much was ordered, in thousandths of a unit.
    Quantity, places: 3, most: 1_000_000_000_i64
}

fixed_point! {
    /// The price of one unit, in millionths of the currency's major unit: prices are sometimes finer than cents.
    UnitPrice, places: 6, most: 1_000_000_000_000_i64
}

/// What a line of an order is. It follows from quantity and price, so that no two callers can see it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Goods sold: quantity and price above zero.
    Sale,
    /// Goods given away: quantity above zero, price zero.
    Free,
    /// A correction or write-off: quantity or price below zero. No sale and no refund.
    Adjustment,
}

impl LineKind {
    /// What a line of this quantity and price is.
    pub(crate) fn of(quantity: Quantity, unit_price: UnitPrice) -> Self {
        match (quantity.scaled(), unit_price.scaled()) {
            (quantity, price) if quantity < 0 || price < 0 => Self::Adjustment,
            (_, 0) => Self::Free,
            _ => Self::Sale,
        }
    }
}

/// A line as a caller gives it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineDraft {
    pub(crate) product_id: String,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: String,
    pub(crate) unit_price: String,
}

/// A line as a caller gives it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineContent {
    pub(crate) product: ProductKey,
    /// Empty where the product's own name holds.
    pub(crate) name: String,
    pub(crate) quantity: Quantity,
    pub(crate) unit_price: UnitPrice,
    pub(crate) amount: Money,
}

/// What lines are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Lines of an order: of either sign.
    Order,
    /// Lines of a credit note: what was given back, above zero.
    CreditNote,
}

impl LineContent {
    /// Checks all lines, noting what is wrong under `lines[i]`. `source` is the catalogue in which SKUs are looked up.
    pub(crate) fn check_all(
        drafts: &[LineDraft],
        source: Option<&str>,
        currency: Option<Currency>,
        purpose: Purpose,
        violations: &mut Violations,
    ) -> Vec<Self> {
        violations.check((1..=MOST_LINES).contains(&drafts.len()), "lines", || {
            format!("{} lines are given: 1 to {MOST_LINES} are wanted", drafts.len())
        });
        let mut lines = Vec::with_capacity(drafts.len().min(MOST_LINES));
        for (index, draft) in drafts.iter().take(MOST_LINES).enumerate() {
            let mut own = Violations::new();
            match Self::check(draft, source, currency, purpose, &mut own) {
                Some(line) if own.is_empty() => lines.push(line),
                _ => violations.within(&format!("lines[{index}]"), own),
            }
        }
        lines
    }

    fn check(
        draft: &LineDraft,
        source: Option<&str>,
        currency: Option<Currency>,
        purpose: Purpose,
        violations: &mut Violations,
    ) -> Option<Self> {
        let product = product_key(draft, source, violations);
        let name = violations.or_default(text::line(&draft.name, 500, "name"));
        let quantity = violations.take("quantity", Quantity::parse(&draft.quantity, "quantity"));
        let unit_price = violations.take("unit_price", UnitPrice::parse(&draft.unit_price, "unit_price"));
        let (quantity, unit_price) = (quantity?, unit_price?);
        match purpose {
            Purpose::Order => {
                violations.require(quantity.scaled() != 0, || {
                    Violation::new("quantity", "is zero: a line has some quantity").because("QUANTITY_ZERO")
                });
            }
            Purpose::CreditNote => {
                violations.check(quantity.scaled() > 0, "quantity", || above_zero(&quantity));
                violations.check(unit_price.scaled() > 0, "unit_price", || above_zero(&unit_price));
            }
        }
        let amount = Money::of_product(quantity.decimal(), unit_price.decimal(), currency?);
        match amount {
            Ok(amount) => {
                let what = || format!("`{unit_price}` times quantity `{quantity}`");
                violations.require(amount::fits(amount), || {
                    Violation::new("unit_price", amount::beyond(amount, &what())).because("AMOUNT_TOO_LARGE")
                });
            }
            Err(error) => {
                let description = format!("`{unit_price}` times quantity `{quantity}`: {error}");
                violations.note(Violation::new("unit_price", description).because("AMOUNT_TOO_LARGE"));
            }
        }
        Some(Self { product: product?, name, quantity, unit_price, amount: amount.ok()? })
    }

    /// What the line is.
    pub(crate) fn kind(&self) -> LineKind {
        LineKind::of(self.quantity, self.unit_price)
    }

    /// Adds what the line says to a fingerprint.
    pub(crate) fn hash(&self, hasher: &mut ContentHasher) {
        match &self.product {
            ProductKey::Id(id, _) => {
                hasher.optional(Some(&id.to_string()));
                hasher.optional(None);
            }
            ProductKey::Sku { sku, .. } => {
                hasher.optional(None);
                hasher.optional(Some(sku));
            }
        }
        hasher.text(&self.name);
        hasher.number(self.quantity.scaled());
        hasher.number(self.unit_price.scaled());
    }
}

fn above_zero(number: &impl fmt::Display) -> String {
    format!("`{number}` is not above zero: a credit note says what was given back in positive numbers")
}

fn product_key(draft: &LineDraft, source: Option<&str>, violations: &mut Violations) -> Option<ProductKey> {
    if !draft.product_id.is_empty() {
        let id = violations.take("product_id", ProductId::parse(&draft.product_id, "product_id"))?;
        let sku = (!draft.sku.is_empty()).then(|| violations.or_default(text::required_line(&draft.sku, 100, "sku")));
        return Some(ProductKey::Id(id, sku));
    }
    let sku = violations.or_default(text::required_line(&draft.sku, 100, "sku"));
    let Some(source) = source else {
        violations.push(
            "product_id",
            "is missing: without a reference there is no source in whose catalogue to look the SKU up",
        );
        return None;
    };
    Some(ProductKey::Sku { source: source.to_owned(), sku })
}

/// A line that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: OrderLineId,
    pub(crate) product_id: ProductId,
    pub(crate) sku: String,
    /// The product's own name; may be empty.
    pub(crate) product_name: String,
    /// As the line gives it; empty where the product's own name holds.
    pub(crate) given_name: String,
    pub(crate) quantity: Quantity,
    pub(crate) unit_price: UnitPrice,
    pub(crate) amount: Money,
}

impl Line {
    /// What the line is.
    pub(crate) fn kind(&self) -> LineKind {
        LineKind::of(self.quantity, self.unit_price)
    }

    /// The name to show.
    pub(crate) fn name(&self) -> &str {
        if self.given_name.is_empty() { &self.product_name } else { &self.given_name }
    }

    /// Makes lines out of what a caller gave. The n-th line of a product keeps the id that the n-th line of this
    /// product had in `earlier`. Notes lines whose product is not in the catalogue under `lines[i]`.
    pub(crate) fn make_all(
        contents: &[LineContent],
        catalogue: &Catalogue,
        earlier: &[Self],
        mut new_id: impl FnMut() -> OrderLineId,
        violations: &mut Violations,
    ) -> Vec<Self> {
        let mut known: HashMap<ProductId, VecDeque<OrderLineId>> = HashMap::new();
        for line in earlier {
            known.entry(line.product_id).or_default().push_back(line.id);
        }
        let mut lines = Vec::with_capacity(contents.len());
        for (index, content) in contents.iter().enumerate() {
            match catalogue.find(&content.product) {
                Ok(product) => lines.push(Self {
                    id: known.get_mut(&product.id).and_then(VecDeque::pop_front).unwrap_or_else(&mut new_id),
                    product_id: product.id,
                    sku: product.sku.clone(),
                    product_name: product.name.clone(),
                    given_name: content.name.clone(),
                    quantity: content.quantity,
                    unit_price: content.unit_price,
                    amount: content.amount,
                }),
                Err((field, problem)) => violations.push(format!("lines[{index}].{field}"), problem),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::product::ProductName;

    fn currency(code: &str) -> Currency {
        Currency::from_code(code).unwrap()
    }

    fn draft(quantity: &str, unit_price: &str) -> LineDraft {
        LineDraft { sku: "A".into(), quantity: quantity.into(), unit_price: unit_price.into(), ..LineDraft::default() }
    }

    fn check(draft: LineDraft, code: &str, purpose: Purpose) -> Result<LineContent, Vec<String>> {
        let mut violations = Violations::new();
        let mut lines = LineContent::check_all(&[draft], Some("shop"), Some(currency(code)), purpose, &mut violations);
        let fields: Vec<_> = violations.into_inner().into_iter().map(|v| v.field).collect();
        if fields.is_empty() { Ok(lines.remove(0)) } else { Err(fields) }
    }

    fn kind(quantity: &str, unit_price: &str) -> LineKind {
        check(draft(quantity, unit_price), "EUR", Purpose::Order).unwrap().kind()
    }

    #[test]
    fn the_kind_of_a_line_follows_from_the_signs_of_quantity_and_price() {
        assert_eq!(kind("6", "2.55"), LineKind::Sale);
        assert_eq!(kind("1", "0"), LineKind::Free);
        assert_eq!(kind("-12", "0"), LineKind::Adjustment);
        assert_eq!(kind("-12", "1"), LineKind::Adjustment);
        assert_eq!(kind("1", "-11062.06"), LineKind::Adjustment);
        assert_eq!(kind("-1", "-1"), LineKind::Adjustment);
    }

    #[test]
    fn amounts_have_the_minor_unit_of_their_currency_and_round_half_to_even() {
        let minor = |quantity: &str, price: &str, code: &str| {
            check(draft(quantity, price), code, Purpose::Order).unwrap().amount.minor
        };
        assert_eq!(minor("3", "0.005", "EUR"), 2);
        assert_eq!(minor("1", "0.005", "EUR"), 0);
        assert_eq!(minor("1", "2.5", "JPY"), 2);
        assert_eq!(minor("1", "3.5", "JPY"), 4);
        assert_eq!(minor("0.250", "1.234", "KWD"), 308);
        assert_eq!(minor("1", "0.000001", "EUR"), 0);
    }

    #[test]
    fn what_is_no_quantity_or_price_is_refused_with_its_path() {
        for text in ["", "NaN", "1e3", "Infinity", "1,5", "0x10", "1.2345", "1000000001", "٣", "1 "] {
            assert_eq!(check(draft(text, "1"), "EUR", Purpose::Order), Err(vec!["lines[0].quantity".into()]), "{text}");
        }
        for text in ["", "nan", "1.0000001", "1000000000001", "--1"] {
            assert_eq!(
                check(draft("1", text), "EUR", Purpose::Order),
                Err(vec!["lines[0].unit_price".into()]),
                "{text}"
            );
        }
        assert_eq!(check(draft("0", "1"), "EUR", Purpose::Order), Err(vec!["lines[0].quantity".into()]));
        assert_eq!(check(draft("0.000", "1"), "EUR", Purpose::Order), Err(vec!["lines[0].quantity".into()]));
    }

    #[test]
    fn an_amount_beyond_64_bits_of_minor_units_is_refused() {
        let wrong = check(draft("1000000000", "1000000000000"), "EUR", Purpose::Order);
        assert_eq!(wrong, Err(vec!["lines[0].unit_price".into()]));
        let wrong = check(draft("-1000000000", "1000000000000"), "KWD", Purpose::Order);
        assert_eq!(wrong, Err(vec!["lines[0].unit_price".into()]));
    }

    #[test]
    fn an_amount_of_more_than_a_hundred_million_million_minor_units_is_refused() {
        let minor = |quantity: &str, price: &str| {
            check(draft(quantity, price), "EUR", Purpose::Order).map(|line| line.amount.minor)
        };
        assert_eq!(minor("1", "1000000000000"), Ok(amount::MOST_MINOR));
        assert_eq!(minor("-1", "1000000000000"), Ok(-amount::MOST_MINOR));
        assert_eq!(minor("1.001", "1000000000000"), Err(vec!["lines[0].unit_price".into()]));
        assert_eq!(minor("-90000", "1000000000000"), Err(vec!["lines[0].unit_price".into()]));
    }

    #[test]
    fn a_line_of_a_credit_note_is_above_zero() {
        assert!(check(draft("1", "2.55"), "EUR", Purpose::CreditNote).is_ok());
        assert_eq!(check(draft("-1", "2.55"), "EUR", Purpose::CreditNote), Err(vec!["lines[0].quantity".into()]));
        assert_eq!(check(draft("1", "0"), "EUR", Purpose::CreditNote), Err(vec!["lines[0].unit_price".into()]));
    }

    #[test]
    fn the_number_of_lines_is_bounded() {
        let count = |lines: usize| {
            let mut violations = Violations::new();
            let drafts = vec![draft("1", "1"); lines];
            LineContent::check_all(&drafts, Some("shop"), Some(currency("EUR")), Purpose::Order, &mut violations);
            violations.into_inner().into_iter().map(|v| v.field).collect::<Vec<_>>()
        };
        assert_eq!(count(0), ["lines"]);
        assert_eq!(count(1), [""; 0]);
        assert_eq!(count(2000), [""; 0]);
        assert_eq!(count(2001), ["lines"]);
    }

    #[test]
    fn a_sku_without_a_source_to_look_it_up_in_is_refused() {
        let mut violations = Violations::new();
        LineContent::check_all(&[draft("1", "1")], None, Some(currency("EUR")), Purpose::Order, &mut violations);
        assert_eq!(violations.into_inner()[0].field, "lines[0].product_id");
    }

    #[test]
    fn the_nth_line_of_a_product_keeps_its_id() {
        let mut catalogue = Catalogue::default();
        for (number, sku) in [(1, "A"), (2, "B")] {
            let id = ProductId::from(uuid::Uuid::from_u128(number));
            catalogue.add("shop", ProductName { id, sku: sku.into(), name: String::new() });
        }
        let content = |sku: &str, quantity: &str| {
            check(LineDraft { sku: sku.into(), ..draft(quantity, "1") }, "EUR", Purpose::Order).unwrap()
        };
        let mut next = 100;
        let mut id = || {
            next += 1;
            OrderLineId::from(uuid::Uuid::from_u128(next))
        };
        let mut violations = Violations::new();
        let first = Line::make_all(
            &[content("A", "1"), content("B", "1"), content("A", "2")],
            &catalogue,
            &[],
            &mut id,
            &mut violations,
        );
        let second = Line::make_all(
            &[content("B", "1"), content("A", "5"), content("B", "9")],
            &catalogue,
            &first,
            &mut id,
            &mut violations,
        );
        assert!(violations.is_empty());
        assert_eq!(second[0].id, first[1].id);
        assert_eq!(second[1].id, first[0].id);
        assert!(first.iter().all(|line| line.id != second[2].id));
    }

    proptest! {
        #[test]
        fn a_line_is_exactly_one_kind_and_its_amount_has_the_sign_of_the_product(
            quantity in -1_000_000_i64..1_000_000, price in -1_000_000_000_i64..1_000_000_000,
        ) {
            prop_assume!(quantity != 0);
            let (quantity, price) = (Quantity::from_scaled(quantity), UnitPrice::from_scaled(price));
            let line = check(draft(&quantity.to_string(), &price.to_string()), "EUR", Purpose::Order).unwrap();
            prop_assert_eq!((line.quantity, line.unit_price), (quantity, price));
            let exact = i128::from(quantity.scaled()) * i128::from(price.scaled());
            prop_assert!((i128::from(line.amount.minor) * 10_000_000 - exact).abs() <= 5_000_000);
            match line.kind() {
                LineKind::Sale => prop_assert!(line.amount.minor >= 0),
                LineKind::Free => prop_assert_eq!(line.amount.minor, 0),
                LineKind::Adjustment => prop_assert!(quantity.scaled() < 0 || price.scaled() < 0),
            }
        }

        #[test]
        fn any_text_is_refused_or_read_but_never_a_panic(quantity in ".*", price in ".*", code in prop::sample::select(vec!["EUR", "JPY", "KWD"])) {
            let _ = check(draft(&quantity, &price), code, Purpose::Order);
        }

        #[test]
        fn numbers_are_read_back_as_they_are_shown(scaled in -1_000_000_000_000_i64..=1_000_000_000_000) {
            let quantity = Quantity::from_scaled(scaled);
            prop_assert_eq!(Quantity::parse(&quantity.to_string(), "quantity").unwrap(), quantity);
        }
    }
}
