//! From what happened to the journal's entry: the public event, which carries ids and names of segments, and the
//! after-image, which holds a customer's values and is sealed.

use clientele_contracts::campaigns::v1::{MembershipChange, SegmentEntered, SegmentLeft, SegmentRecorded};
use clientele_platform::postgres::Entry;
use clientele_platform::proto;

use crate::contract::{self, Progress};
use crate::domain::course::Change;
use crate::domain::segment::Segment;

/// The kinds of aggregates in the journal.
const SEGMENT: &str = "segment";
pub(crate) const MEMBERSHIP: &str = "membership";

/// A segment was created or changed, or its members have all been found.
pub(crate) fn segment(segment: &Segment, complete: bool) -> Entry {
    let event = SegmentRecorded {
        segment_id: segment.id.to_string(),
        name: segment.name.text.clone(),
        active: segment.active,
        complete,
    };
    // What is counted is not part of the segment's state.
    let image = contract::segment(segment, 0, Progress { complete, ..Progress::default() });
    Entry::new(SEGMENT, segment.id.uuid(), segment.version, &event).image(&image)
}

/// A customer entered or left a segment.
pub(crate) fn membership(segment: &Segment, change: &Change) -> Entry {
    let Change { pair, at, cause, reasons } = change;
    let (segment_id, customer_id) = (pair.segment.to_string(), pair.customer.to_string());
    let (moment, segment_name) = (Some(proto::timestamp(*at)), segment.name.text.clone());
    let set_off = contract::cause(*cause).into();
    let image = MembershipChange {
        // The journal gives the event its id when it is written.
        id: String::new(),
        segment_id: segment_id.clone(),
        segment_name: segment_name.clone(),
        entered: pair.is_member(),
        changed_at: moment,
        reasons: reasons.iter().map(contract::reason).collect(),
        cause: set_off,
    };
    let entry = if pair.is_member() {
        let event = SegmentEntered { segment_id, customer_id, entered_at: moment, cause: set_off, segment_name };
        Entry::new(MEMBERSHIP, pair.id.uuid(), pair.version, &event)
    } else {
        let event = SegmentLeft { segment_id, customer_id, left_at: moment, cause: set_off, segment_name };
        Entry::new(MEMBERSHIP, pair.id.uuid(), pair.version, &event)
    };
    entry.customer(pair.customer).occurred_at(*at).image(&image)
}
