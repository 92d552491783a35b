//! Moments relative to the one at which the company was made.

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::dice::Dice;

/// The moment at which the company was made: nothing happened after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar(pub(super) DateTime<Utc>);

impl Calendar {
    /// A moment of opening hours, so many days ago; the day of making itself ends with the making.
    pub(super) fn days_ago(self, days: u64, dice: &mut Dice) -> DateTime<Utc> {
        let second = TimeDelta::seconds(dice.between(8 * 3600, 20 * 3600));
        let midnight = self.0.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let moment = midnight.checked_sub_days(Days::new(days)).map_or(self.0, |day| day + second);
        if moment < self.0 { moment } else { self.0 - TimeDelta::seconds(dice.between(60, 7200)) }
    }

    /// How many whole days ago a moment was.
    pub(super) fn age(self, moment: DateTime<Utc>) -> i64 {
        (self.0 - moment).num_days()
    }
}
