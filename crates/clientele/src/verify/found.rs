//! What does not agree: the first things of it to be shown, and how many there are. However much is wrong, no more is kept.

use std::fmt;

/// How many things are shown.
const SHOWN: usize = 50;

/// Figures that do not agree.
#[derive(Debug)]
pub(super) struct Difference {
    /// Whose figure.
    pub(super) subject: String,
    /// Which figure.
    pub(super) figure: String,
    /// What is served.
    pub(super) served: String,
    /// What it should be.
    pub(super) recomputed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, figure, served, recomputed } = self;
        write!(f, "{subject}: {figure} is served as {served}, recomputed it is {recomputed}")
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    shown: Vec<String>,
    count: usize,
}

impl Found {
    /// Notes something that does not agree.
    pub(super) fn push(&mut self, difference: impl fmt::Display) {
        if self.shown.len() < SHOWN {
            self.shown.push(difference.to_string());
        }
        self.count += 1;
    }

    /// The first of them, in words.
    pub(super) fn shown(&self) -> &[String] {
        &self.shown
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl Extend<Difference> for Found {
    fn extend<T: IntoIterator<Item = Difference>>(&mut self, differences: T) {
        differences.into_iter().for_each(|difference| self.push(difference));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_is_wrong_it_is_counted_and_the_first_of_it_kept() {
        let mut found = Found::default();
        (0..1_000).for_each(|n| found.push(n));
        assert_eq!((found.count(), found.shown().len(), found.shown()[0].as_str()), (1_000, SHOWN, "0"));
    }
}
