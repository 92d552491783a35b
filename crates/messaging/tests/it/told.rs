//! What the others are told of dialogs, and what nobody is.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::DialogMessageKind::{Colleague, Customer, Unspecified as Nobody};
use clientele_kernel::Partition;
use clientele_platform::event;
use clientele_platform::postgres::journal;
use prost::Message;

use crate::desk::{COLLEAGUE, Desk};

#[tokio::test]
async fn each_change_of_a_dialog_is_told_with_the_state_after_it() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let ana = desk.colleague(&COLLEAGUE);
    let customer = desk.customer();
    ana.mark_read(&dialog, 2).await.unwrap();
    ana.write(&dialog, "good day").await.unwrap();
    ana.link(&dialog, &customer).await.unwrap();
    visitor.say("bye").await;
    ana.close(&dialog).await.unwrap();
    let events = desk.events_of(&dialog).await;
    let told: Vec<_> = events
        .iter()
        .map(|told| {
            let recorded = event::decode::<pb::DialogRecorded>(told).unwrap().unwrap();
            assert_eq!((recorded.dialog_id.as_str(), &recorded.customer_id), (dialog.as_str(), &told.customer_id));
            (told.aggregate_version, recorded.last_sequence, recorded.read_sequence, recorded.spoke(), recorded.state())
        })
        .collect();
    let (open, closed) = (pb::DialogState::Open, pb::DialogState::Closed);
    let expected = [
        (1, 2, 0, Customer, open),
        (2, 2, 2, Nobody, open),
        (3, 4, 2, Colleague, open),
        (4, 5, 2, Nobody, open),
        (5, 6, 2, Customer, open),
        (6, 7, 2, Nobody, closed),
    ];
    assert_eq!(told, expected);
    let of = |id: &str| i32::from(Partition::of(id.parse().unwrap()).number());
    let partitions: Vec<i32> = events.iter().map(|event| event.partition).collect();
    let (own, theirs) = (of(&dialog), of(&customer));
    assert_eq!(partitions, [own, own, own, theirs, theirs, theirs], "once the customer is known, theirs");
}

#[tokio::test]
async fn the_sealed_image_is_the_dialog_with_the_whole_of_its_last_message() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let long = "x".repeat(4_000);
    visitor.say(&long).await;
    let now = desk.colleague(&COLLEAGUE).get(&dialog).await;
    let rows = journal::images(&desk.database.db, "dialog", dialog.parse().unwrap(), None, 10).await.unwrap();
    let newest = pb::Dialog::decode(rows[0].image.as_ref().unwrap().as_slice()).unwrap();
    assert_eq!(newest.last_message.as_ref().unwrap().text, long);
    assert_eq!(pb::Dialog { last_message: now.last_message.clone(), ..newest }, now);
    assert_eq!(rows.len(), 2);
}

/// Values that must not leave the context; no other text of the test contains them.
const CANARIES: [&str; 5] = ["Xylophia", "Quetzalmann", "canary", "Birdwhistle", "Wonderland"];

#[tokio::test]
async fn nothing_that_people_wrote_is_told_in_public_or_kept_unsealed_in_the_journal() {
    let desk = Desk::new().await;
    let channel = pb::Channel { name: "Wonderland".into(), greeting: "Birdwhistle".into(), ..pb::Channel::default() };
    let channel = desk.create(channel).await.unwrap();
    let visitor = desk.visitor(&channel).await;
    let request = pb::PostVisitorMessageRequest {
        name: "Xylophia".into(),
        email: "canary@example.com".into(),
        ..visitor.message("Quetzalmann")
    };
    visitor.post(request).await.unwrap();
    let dialog = visitor.read(0).await.dialog_id;
    let ana = desk.colleague(&COLLEAGUE);
    ana.write(&dialog, "Birdwhistle").await.unwrap();
    ana.link(&dialog, &desk.customer()).await.unwrap();
    ana.close(&dialog).await.unwrap();
    let events = desk.events().await;
    assert_eq!(events.len(), 5);
    for event in &events {
        let bytes = String::from_utf8_lossy(&event.encode_to_vec()).into_owned();
        for canary in CANARIES {
            assert!(!bytes.contains(canary), "{canary} is in {event:?}");
        }
    }
    let mut conn = desk.database.superuser().await;
    let rows: Vec<(String, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("select journal::text, public_payload, private_payload from messaging.journal")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(rows.len(), 5);
    for (row, public, private) in &rows {
        let texts = [row.clone(), String::from_utf8_lossy(public).into(), String::from_utf8_lossy(private).into()];
        for (text, canary) in texts.iter().flat_map(|text| CANARIES.map(|canary| (text, canary))) {
            assert!(!text.contains(canary), "{canary}");
        }
    }
}
