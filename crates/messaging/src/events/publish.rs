//! What messaging tells of letters, templates, channels, dialogs and notifications: ids, numbers, enums and moments. Names,
//! addresses and texts travel sealed alone.

use clientele_contracts::messaging::v1 as pb;
use clientele_platform::postgres::Entry;
use clientele_platform::proto;

use crate::contract;
use crate::domain::channel::Channel;
use crate::domain::dialog::message::Message;
use crate::domain::dialog::{self, Dialog};
use crate::domain::email::Letter;
use crate::domain::notification::Notification;
use crate::domain::template::Template;

/// A letter was accepted or recorded. Its image holds the texts: they never change, so later images leave them out.
pub(crate) fn accepted(letter: &Letter) -> Entry {
    let entry = letter_entry(letter, &contract::email::encode(letter));
    // A letter of another system happened when that sent it.
    if letter.is_imported() { entry.occurred_at(letter.created_at) } else { entry }
}

/// A letter was settled, or is tried again.
pub(crate) fn settled(letter: &Letter) -> Entry {
    letter_entry(letter, &contract::email::encode_briefly(letter))
}

fn letter_entry(letter: &Letter, image: &pb::Email) -> Entry {
    let event = pb::EmailRecorded {
        email_id: letter.id.to_string(),
        customer_id: letter.customer_id.to_string(),
        purpose: contract::email::purpose(letter.purpose).into(),
        state: contract::email::state(letter.state).into(),
        reason: letter.reason.clone(),
        created_at: Some(proto::timestamp(letter.created_at)),
        settled_at: letter.settled_at.map(proto::timestamp),
        imported: letter.is_imported(),
    };
    Entry::new("email", letter.id.uuid(), letter.version, &event).customer(letter.customer_id).image(image)
}

/// A template was created or changed.
pub(crate) fn template(template: &Template) -> Entry {
    let event = pb::EmailTemplateRecorded { template_id: template.id.to_string(), active: template.active };
    Entry::new("email_template", template.id.uuid(), template.version, &event)
        .image(&contract::template::encode(template))
}

/// A channel was created or changed.
pub(crate) fn channel(channel: &Channel) -> Entry {
    let event = pb::ChannelRecorded {
        channel_id: channel.id.to_string(),
        active: channel.active,
        store_id: channel.store_id.map(|id| id.to_string()).unwrap_or_default(),
    };
    Entry::new("channel", channel.id.uuid(), channel.version, &event).image(&contract::channel::encode(channel))
}

/// A dialog was opened or has changed; `added` is what was said and noted with the change. The image holds the last
/// message whole.
pub(crate) fn dialog(dialog: &Dialog, added: &[Message]) -> Entry {
    let spoke = dialog::spoke(added).map(|speaker| contract::dialog::speaker(Some(speaker)));
    let event = pb::DialogRecorded {
        dialog_id: dialog.id.to_string(),
        channel_id: dialog.channel_id.to_string(),
        customer_id: dialog.customer_id.map(|id| id.to_string()).unwrap_or_default(),
        state: contract::dialog::state(dialog.state).into(),
        assignee_id: dialog.assignee_id.map(|id| id.to_string()).unwrap_or_default(),
        last_sequence: dialog.last_sequence,
        read_sequence: dialog.read_sequence,
        opened_at: Some(proto::timestamp(dialog.opened_at)),
        last_message_at: Some(proto::timestamp(dialog.last_message.created_at)),
        spoke: spoke.unwrap_or_default().into(),
    };
    Entry::new("dialog", dialog.id.uuid(), dialog.version, &event)
        .customer(dialog.customer_id)
        .image(&contract::dialog::image(dialog))
}

/// A colleague is told something, or has read it.
pub(crate) fn notification(notification: &Notification) -> Entry {
    let event = pb::NotificationRecorded {
        notification_id: notification.id.to_string(),
        user_id: notification.user_id.to_string(),
        kind: contract::notification::kind(notification.kind).into(),
        read: notification.read_at.is_some(),
    };
    Entry::new("notification", notification.id.uuid(), notification.version, &event)
        .image(&contract::notification::encode(notification))
}
