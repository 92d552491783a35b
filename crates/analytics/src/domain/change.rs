//! What a change of documents does to the sums: what the old state had put on is taken off, what the new state says is
//! put on. The result equals adding up everything anew (the property test below shows it), at the cost of the change.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clientele_kernel::{Currency, CustomerId, Error, ProductId};

use super::document::DocumentKind;
use super::{Document, Month};

/// Sums of sales and refunds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) orders: i64,
    pub(crate) gross_minor: i64,
    pub(crate) refund_minor: i64,
}

/// What is added to a customer's totals in a currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FigureChange {
    pub(crate) sums: Sums,
    /// The earliest purchase among what was put on.
    pub(crate) first: Option<DateTime<Utc>>,
    /// The latest purchase among what was put on.
    pub(crate) last: Option<DateTime<Utc>>,
    /// A purchase was taken off: the customer's first and last purchase must be looked up again.
    pub(crate) purchase_lost: bool,
}

/// What is added to a customer's sums of one product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProductSums {
    pub(crate) unit_milli: i64,
    pub(crate) amount_minor: i64,
}

/// Everything that a batch of changed documents adds to the sums, in the order in which rows are to be locked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) figures: BTreeMap<(CustomerId, Currency), FigureChange>,
    pub(crate) months: BTreeMap<(CustomerId, Currency, Month), Sums>,
    pub(crate) products: BTreeMap<(CustomerId, Currency, ProductId), ProductSums>,
    /// By currency, whether the customer is known, and month.
    pub(crate) company_months: BTreeMap<(Currency, bool, Month), Sums>,
    /// By currency and whether the customer is known.
    pub(crate) adjustments: BTreeMap<(Currency, bool), i64>,
}

impl Changes {
    /// Notes that a document has come into a state, from an older one or from nothing.
    pub(crate) fn replace(&mut self, old: Option<&Document>, new: &Document) -> Result<(), Error> {
        if old.is_some_and(|old| same_contribution(old, new)) {
            return Ok(());
        }
        let done = old.map_or(Some(()), |old| self.add(old, -1)).and_then(|()| self.add(new, 1));
        done.ok_or_else(|| {
            Error::invalid("amounts", format!("the amounts of {} `{}` add up to too much", new.kind.as_str(), new.id))
        })
    }

    /// Drops what adds nothing.
    pub(crate) fn settle(mut self) -> Self {
        let nothing = Sums::default();
        self.figures.retain(|_, change| *change != FigureChange::default());
        self.months.retain(|_, sums| *sums != nothing);
        self.products.retain(|_, sums| *sums != ProductSums::default());
        self.company_months.retain(|_, sums| *sums != nothing);
        self.adjustments.retain(|_, minor| *minor != 0);
        self
    }

    /// `None` when a sum leaves 64 bits.
    fn add(&mut self, document: &Document, sign: i64) -> Option<()> {
        let Document { currency, month, .. } = *document;
        let known = document.customer.is_some();
        let adjustment = self.adjustments.entry((currency, known)).or_default();
        *adjustment = adjustment.checked_add(document.adjustment_minor.checked_mul(sign)?)?;
        if !document.counts {
            return Some(());
        }
        let amount = document.amount_minor.checked_mul(sign)?;
        let sums = match document.kind {
            DocumentKind::Order => Sums { orders: sign, gross_minor: amount, refund_minor: 0 },
            DocumentKind::CreditNote => Sums { orders: 0, gross_minor: 0, refund_minor: amount },
        };
        self.company_months.entry((currency, known, month)).or_default().add(sums)?;
        let Some(customer) = document.customer else { return Some(()) };

        self.months.entry((customer, currency, month)).or_default().add(sums)?;
        let figure = self.figures.entry((customer, currency)).or_default();
        figure.sums.add(sums)?;
        if document.kind == DocumentKind::Order {
            let moment = document.occurred_at;
            if sign > 0 {
                figure.first = Some(figure.first.map_or(moment, |first| first.min(moment)));
                figure.last = Some(figure.last.map_or(moment, |last| last.max(moment)));
            } else {
                figure.purchase_lost = true;
            }
        }
        // Units of a credit note were taken back.
        let direction = if document.kind == DocumentKind::Order { sign } else { -sign };
        for share in &document.shares {
            let sums = self.products.entry((customer, currency, share.product)).or_default();
            sums.unit_milli = sums.unit_milli.checked_add(share.unit_milli.checked_mul(direction)?)?;
            sums.amount_minor = sums.amount_minor.checked_add(share.amount_minor.checked_mul(direction)?)?;
        }
        Some(())
    }
}

impl Sums {
    fn add(&mut self, other: Self) -> Option<()> {
        *self = Self {
            orders: self.orders.checked_add(other.orders)?,
            gross_minor: self.gross_minor.checked_add(other.gross_minor)?,
            refund_minor: self.refund_minor.checked_add(other.refund_minor)?,
        };
        Some(())
    }
}

/// Whether two states of a document put the same on the sums, as after a payment.
fn same_contribution(old: &Document, new: &Document) -> bool {
    let ignoring = |document: &Document| Document { version: 0, status: String::new(), ..document.clone() };
    ignoring(old) == ignoring(new)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::Share;

    type Moment = Option<DateTime<Utc>>;

    /// The sums as a reader sees them, kept the way the store keeps them.
    #[derive(Debug, Clone, Default, PartialEq)]
    struct Books {
        figures: BTreeMap<(CustomerId, Currency), (Sums, Moment, Moment)>,
        months: BTreeMap<(CustomerId, Currency, Month), Sums>,
        products: BTreeMap<(CustomerId, Currency, ProductId), ProductSums>,
        company: BTreeMap<(Currency, bool, Month), Sums>,
        adjustments: BTreeMap<(Currency, bool), i64>,
    }

    impl Books {
        fn apply(&mut self, changes: Changes, documents: &BTreeMap<Uuid, Document>) {
            for (key, change) in changes.figures {
                let (sums, first, last) = self.figures.entry(key).or_default();
                sums.add(change.sums).unwrap();
                let moments = || purchases(documents, key);
                if change.purchase_lost {
                    (*first, *last) = (moments().min(), moments().max());
                } else {
                    *first = [*first, change.first].into_iter().flatten().min();
                    *last = [*last, change.last].into_iter().flatten().max();
                }
            }
            for (key, sums) in changes.months {
                self.months.entry(key).or_default().add(sums).unwrap();
            }
            for (key, sums) in changes.products {
                let kept = self.products.entry(key).or_default();
                kept.unit_milli += sums.unit_milli;
                kept.amount_minor += sums.amount_minor;
            }
            for (key, sums) in changes.company_months {
                self.company.entry(key).or_default().add(sums).unwrap();
            }
            for (key, minor) in changes.adjustments {
                *self.adjustments.entry(key).or_default() += minor;
            }
        }

        fn without_zeros(mut self) -> Self {
            self.figures.retain(|_, figure| *figure != Default::default());
            self.months.retain(|_, sums| *sums != Sums::default());
            self.products.retain(|_, sums| *sums != ProductSums::default());
            self.company.retain(|_, sums| *sums != Sums::default());
            self.adjustments.retain(|_, minor| *minor != 0);
            self
        }
    }

    fn purchases(
        documents: &BTreeMap<Uuid, Document>,
        (customer, currency): (CustomerId, Currency),
    ) -> impl Iterator<Item = DateTime<Utc>> {
        documents
            .values()
            .filter(move |d| d.counts && d.kind == DocumentKind::Order)
            .filter(move |d| d.customer == Some(customer) && d.currency == currency)
            .map(|d| d.occurred_at)
    }

    fn recomputed(documents: &BTreeMap<Uuid, Document>) -> Books {
        let mut books = Books::default();
        for d in documents.values() {
            let known = d.customer.is_some();
            *books.adjustments.entry((d.currency, known)).or_default() += d.adjustment_minor;
            if !d.counts {
                continue;
            }
            let is_order = d.kind == DocumentKind::Order;
            let sums = Sums {
                orders: i64::from(is_order),
                gross_minor: if is_order { d.amount_minor } else { 0 },
                refund_minor: if is_order { 0 } else { d.amount_minor },
            };
            books.company.entry((d.currency, known, d.month)).or_default().add(sums).unwrap();
            if let Some(customer) = d.customer {
                books.months.entry((customer, d.currency, d.month)).or_default().add(sums).unwrap();
                let figure = books.figures.entry((customer, d.currency)).or_default();
                figure.0.add(sums).unwrap();
                for share in &d.shares {
                    let kept = books.products.entry((customer, d.currency, share.product)).or_default();
                    kept.unit_milli += if is_order { share.unit_milli } else { -share.unit_milli };
                    kept.amount_minor += if is_order { share.amount_minor } else { -share.amount_minor };
                }
            }
        }
        for (key, figure) in &mut books.figures {
            (figure.1, figure.2) = (purchases(documents, *key).min(), purchases(documents, *key).max());
        }
        books
    }

    prop_compose! {
        fn document()(
            id in 0_u128..6,
            customer in prop::option::weighted(0.8, 0_u128..3),
            currency in prop::sample::select(vec!["EUR", "JPY"]),
            day in 0_i64..800,
            (cancelled, has_sales) in (any::<bool>(), prop::bool::weighted(0.8)),
            amount in 0_i64..100_000,
            adjustment in -500_i64..500,
            products in prop::collection::btree_map(0_u128..4, (1_i64..5000, 0_i64..50_000), 0..3),
        ) -> Document {
            // Two of six documents are credit notes.
            let kind = if id < 4 { DocumentKind::Order } else { DocumentKind::CreditNote };
            let counts = kind == DocumentKind::CreditNote || (!cancelled && has_sales);
            let occurred_at = DateTime::from_timestamp(1_300_000_000 + day * 86_400, 0).unwrap();
            let shares = products.into_iter().map(|(product, (unit_milli, amount_minor))| {
                Share { product: Uuid::from_u128(product).into(), unit_milli, amount_minor }
            });
            Document {
                id: Uuid::from_u128(id),
                kind,
                version: 1,
                customer: customer.map(|n| Uuid::from_u128(n).into()),
                currency: Currency::from_code(currency).unwrap(),
                occurred_at,
                month: Month::of(occurred_at, Tz::Europe__Madrid),
                status: String::new(),
                counts,
                amount_minor: amount,
                adjustment_minor: if kind == DocumentKind::Order && !cancelled { adjustment } else { 0 },
                shares: if counts { shares.collect() } else { Vec::new() },
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_by_changes_equals_what_is_added_up_anew(
            batches in prop::collection::vec(prop::collection::vec(document(), 1..8), 1..12)
        ) {
            let mut documents = BTreeMap::new();
            let mut books = Books::default();
            for batch in batches {
                let mut changes = Changes::default();
                for document in batch {
                    changes.replace(documents.get(&document.id), &document).unwrap();
                    documents.insert(document.id, document);
                }
                books.apply(changes.settle(), &documents);
                prop_assert_eq!(books.clone().without_zeros(), recomputed(&documents).without_zeros());
            }
        }

        #[test]
        fn a_document_in_the_same_state_changes_nothing(document in document()) {
            let later = Document { version: 2, status: "delivering".to_owned(), ..document.clone() };
            let mut changes = Changes::default();
            changes.replace(Some(&document), &later).unwrap();
            prop_assert_eq!(changes.settle(), Changes::default());
        }
    }

    #[test]
    fn amounts_that_leave_64_bits_are_an_error_that_names_the_document() {
        let document = Document {
            id: Uuid::from_u128(7),
            kind: DocumentKind::Order,
            version: 1,
            customer: None,
            currency: Currency::from_code("EUR").unwrap(),
            occurred_at: DateTime::UNIX_EPOCH,
            month: Month::of(DateTime::UNIX_EPOCH, Tz::UTC),
            status: String::new(),
            counts: true,
            amount_minor: i64::MAX,
            adjustment_minor: 0,
            shares: Vec::new(),
        };
        let mut changes = Changes::default();
        changes.replace(None, &document).unwrap();
        let error = changes.replace(None, &Document { id: Uuid::from_u128(8), ..document }).unwrap_err();
        assert!(error.message.contains("00000000-0000-0000-0000-000000000008"), "{}", error.message);
    }
}
