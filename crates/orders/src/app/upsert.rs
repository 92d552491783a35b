//! What a batch does with each of its entries.

use std::collections::HashMap;

use clientele_kernel::{Error, Reference, Violation, Violations};

/// How many entries a batch has at most.
pub(crate) const MOST_ENTRIES: usize = 500;
/// How many lines the entries of a batch have together at most.
pub(crate) const MOST_LINES: usize = 20_000;

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Upserted<Id> {
    /// It was not known and was created.
    Created(Id),
    /// It was known and has changed; with its version now.
    Updated(Id, i64),
    /// It was known as given; nothing was written.
    Unchanged(Id),
    /// It was refused.
    Refused(Vec<Violation>),
}

/// A batch at work: the entries that are still to be decided, and what became of the others.
#[derive(Debug)]
pub(crate) struct Batch<Content, Id> {
    /// In the order of the request.
    outcomes: Vec<Option<Upserted<Id>>>,
    /// Those that can still be written, with their place in the request, in the order of their references: locks are
    /// taken in this order by everybody.
    pub(crate) open: Vec<(usize, Content)>,
}

impl<Content, Id: Copy> Batch<Content, Id> {
    /// A batch of checked entries. Those that are wrong, and those whose reference came before, are refused.
    pub(crate) fn new(entries: Vec<Result<Content, Violations>>, reference: impl Fn(&Content) -> Reference) -> Self {
        let mut batch =
            Self { outcomes: entries.iter().map(|_| None).collect(), open: Vec::with_capacity(entries.len()) };
        let mut first: HashMap<Reference, usize> = HashMap::new();
        let mut keyed = Vec::with_capacity(entries.len());
        for (place, entry) in entries.into_iter().enumerate() {
            match entry {
                Err(violations) => batch.refuse(place, violations),
                Ok(content) => {
                    let reference = reference(&content);
                    if let Some(earlier) = first.get(&reference) {
                        let mut violations = Violations::new();
                        violations.push("reference", format!("is that of entry {earlier} of the same batch"));
                        batch.refuse(place, violations);
                    } else {
                        first.insert(reference.clone(), place);
                        keyed.push((reference, place, content));
                    }
                }
            }
        }
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        batch.open.extend(keyed.into_iter().map(|(_, place, content)| (place, content)));
        batch
    }

    /// Settles an entry.
    pub(crate) fn settle(&mut self, place: usize, outcome: Upserted<Id>) {
        if let Some(slot) = self.outcomes.get_mut(place) {
            *slot = Some(outcome);
        }
    }

    /// Refuses an entry.
    pub(crate) fn refuse(&mut self, place: usize, violations: Violations) {
        self.settle(place, Upserted::Refused(violations.into_inner()));
    }

    /// Goes through the open entries: those for which `decide` gives an outcome are settled, the others stay open.
    pub(crate) fn settle_where(&mut self, mut decide: impl FnMut(&Content) -> Option<Upserted<Id>>) {
        for (place, content) in std::mem::take(&mut self.open) {
            match decide(&content) {
                Some(outcome) => self.settle(place, outcome),
                None => self.open.push((place, content)),
            }
        }
    }

    /// Refuses the open entries with which `check` finds something wrong.
    pub(crate) fn refuse_where(&mut self, mut check: impl FnMut(&Content, &mut Violations)) {
        self.settle_where(|content| {
            let mut violations = Violations::new();
            check(content, &mut violations);
            (!violations.is_empty()).then(|| Upserted::Refused(violations.into_inner()))
        });
    }

    /// What became of each entry.
    pub(crate) fn into_outcomes(self) -> Result<Vec<Upserted<Id>>, Error> {
        self.outcomes
            .into_iter()
            .map(|outcome| outcome.ok_or_else(|| Error::internal("an entry of a batch was not decided")))
            .collect()
    }
}

/// Fails where a batch is larger than a transaction should be.
pub(crate) fn check_size(field: &str, entries: usize, lines: usize) -> Result<(), Error> {
    let mut violations = Violations::new();
    violations.check((1..=MOST_ENTRIES).contains(&entries), field, || {
        format!("{entries} entries are given: 1 to {MOST_ENTRIES} are wanted")
    });
    violations.check(lines <= MOST_LINES, field, || {
        format!("the entries have {lines} lines together: at most {MOST_LINES} are wanted")
    });
    violations.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(id: &str) -> Reference {
        Reference::stored("shop", id)
    }

    #[test]
    fn the_outcomes_stand_in_the_order_of_the_request() {
        let mut wrong = Violations::new();
        wrong.push("currency", "is wrong");
        let entries = vec![Ok("b"), Err(wrong), Ok("a"), Ok("b")];
        let mut batch: Batch<_, u8> = Batch::new(entries, |id| reference(id));
        assert_eq!(batch.open, [(2, "a"), (0, "b")], "work is done in the order of the references");
        batch.settle_where(|id| (*id == "a").then_some(Upserted::Unchanged(7)));
        batch.settle_where(|_| Some(Upserted::Created(8)));
        let outcomes = batch.into_outcomes().unwrap();
        assert_eq!(outcomes[0], Upserted::Created(8));
        assert!(matches!(&outcomes[1], Upserted::Refused(v) if v[0].field == "currency"));
        assert_eq!(outcomes[2], Upserted::Unchanged(7));
        assert!(matches!(&outcomes[3], Upserted::Refused(v) if v[0].field == "reference"), "the reference came before");
    }

    #[test]
    fn the_size_of_a_batch_is_bounded() {
        assert!(check_size("orders", 500, 20_000).is_ok());
        assert!(check_size("orders", 0, 0).is_err());
        assert!(check_size("orders", 501, 501).is_err());
        assert!(check_size("orders", 500, 20_001).is_err());
    }
}
