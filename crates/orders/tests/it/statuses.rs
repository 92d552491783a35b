//! The dictionary of statuses.

use clientele_contracts::orders::v1 as pb;
use clientele_kernel::{Code, Error};
use clientele_platform::grpc;

use crate::world::{World, fields, order, reason};

async fn create(world: &World, code: &str, group: pb::StatusGroup) -> Result<pb::OrderStatus, Error> {
    let status =
        pb::OrderStatus { code: code.into(), name: "Packed".into(), group: group.into(), position: 9, active: false };
    let request = pb::CreateOrderStatusRequest { status: Some(status), request_id: String::new() };
    world.statuses().create_order_status(request).await.map(tonic::Response::into_inner).map_err(grpc::error)
}

#[tokio::test]
async fn the_built_in_statuses_are_there_by_group_and_place_and_more_can_be_added() {
    let world = World::new().await;
    let added = create(&world, "packed", pb::StatusGroup::InProgress).await.unwrap();
    assert!(added.active, "a new status is offered at once");
    let list = world.statuses().list_order_statuses(pb::ListOrderStatusesRequest {}).await.unwrap().into_inner();
    let codes: Vec<_> = list.statuses.iter().map(|status| status.code.as_str()).collect();
    assert_eq!(codes, ["new", "awaiting_payment", "assembling", "delivering", "packed", "completed", "cancelled"]);
    let id = world.upsert(vec![pb::Order { status: "packed".into(), ..order("1") }]).await[0].order_id.clone();
    assert_eq!(world.order(&id).await.status_group(), pb::StatusGroup::InProgress);
    let events = world.events().await;
    assert_eq!(events.iter().filter(|event| event.aggregate_type == "order_status").count(), 1);
}

#[tokio::test]
async fn a_taken_code_and_wrong_fields_are_refused() {
    let world = World::new().await;
    let taken = create(&world, "new", pb::StatusGroup::New).await.unwrap_err();
    assert_eq!((taken.code, reason(&taken)), (Code::AlreadyExists, "STATUS_CODE_TAKEN"));
    let wrong = create(&world, "In Progress", pb::StatusGroup::Unspecified).await.unwrap_err();
    assert_eq!(fields(&wrong), ["status.code", "status.group"]);
}
