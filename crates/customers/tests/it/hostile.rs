//! Input that nobody should send.

use clientele_contracts::customers::v1::{
    BatchGetCustomersRequest, CreateCustomerRequest, Customer, GetCustomerRequest, ListCustomersRequest,
};
use clientele_contracts::platform::v1::ExternalReference;
use prost_types::Timestamp;
use tonic::Code;

use crate::world::{World, assert_invalid, email, fields, named, phone};

#[tokio::test]
async fn control_characters_are_refused_with_the_field_s_name() {
    let world = World::new().await;
    for (customer, field) in [
        (named("a\0b"), "customer.display_name"),
        (named("a\nb"), "customer.display_name"),
        (Customer { country: "\u{7}".to_owned(), ..named("Ana") }, "customer.country"),
        (Customer { phones: vec![phone("+34\0912345678")], ..named("Ana") }, "customer.phones[0].number"),
        (Customer { emails: vec![email("a\0@b.co")], ..named("Ana") }, "customer.emails[0].address"),
        (
            Customer {
                references: vec![ExternalReference { source: "shop".to_owned(), external_id: "1\0".to_owned() }],
                ..named("Ana")
            },
            "customer.references[0].external_id",
        ),
    ] {
        assert_invalid(world.try_create(customer).await, field);
    }
}

#[tokio::test]
async fn values_beyond_their_limits_are_refused_with_the_field_s_name() {
    let world = World::new().await;
    let many = |n: usize| (0..n).map(|i| phone(&format!("+34 91{i:07}"))).collect::<Vec<_>>();
    for (customer, field) in [
        (named(""), "customer.display_name"),
        (named(&"x".repeat(301)), "customer.display_name"),
        (Customer { phones: many(501), ..named("Ana") }, "customer.phones"),
        (
            Customer { emails: vec![email(&format!("{}@b.co", "x".repeat(260)))], ..named("Ana") },
            "customer.emails[0].address",
        ),
        (Customer { kind: 77, ..named("Ana") }, "customer.kind"),
        (Customer { manager_id: "not-a-uuid".to_owned(), ..named("Ana") }, "customer.manager_id"),
        (
            Customer { registered_at: Some(Timestamp { seconds: i64::MAX, nanos: -1 }), ..named("Ana") },
            "customer.registered_at",
        ),
        (
            Customer { registered_at: Some(Timestamp { seconds: -60_000_000_000, nanos: 0 }), ..named("Ana") },
            "customer.registered_at",
        ),
    ] {
        assert_invalid(world.try_create(customer).await, field);
    }
    let created = world.create(Customer { phones: many(500), ..named(&"ж".repeat(300)) }).await;
    assert_eq!(created.hidden_phones, 480);
}

#[tokio::test]
async fn a_name_of_ten_megabytes_is_refused_and_the_service_goes_on() {
    let world = World::new().await;
    let status = world.try_create(named(&"x".repeat(10 << 20))).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::InvalidArgument | Code::ResourceExhausted), "{status:?}");
    let status = world.try_create(named(&"\u{1f600}".repeat(500_000))).await.unwrap_err();
    assert_eq!(fields(&status), ["customer.display_name"]);
    assert!(status.message().len() < 500);
    world.create(named("Ana")).await;
}

#[tokio::test]
async fn requests_without_sense_are_refused_with_the_field_s_name() {
    let world = World::new().await;
    let mut client = world.customers();
    assert_invalid(client.create_customer(CreateCustomerRequest::default()).await, "customer");
    let request = CreateCustomerRequest { customer: Some(named("Ana")), request_id: "x".repeat(129) };
    assert_invalid(client.create_customer(request).await, "request_id");
    for id in ["", "1", "0190a1f0-0000-7000-8000-00000000000g", "' or 1=1 --"] {
        assert_invalid(
            client.get_customer(GetCustomerRequest { id: id.to_owned(), ..GetCustomerRequest::default() }).await,
            "id",
        );
    }
    let ids = vec!["x".to_owned()];
    assert_invalid(client.batch_get_customers(BatchGetCustomersRequest { ids }).await, "ids[0]");
    let ids = vec!["0190a1f0-0000-7000-8000-000000000009".to_owned(); 501];
    assert_invalid(client.batch_get_customers(BatchGetCustomersRequest { ids }).await, "ids");
    for (request, field) in [
        (ListCustomersRequest { page_size: -1, ..ListCustomersRequest::default() }, "page_size"),
        (ListCustomersRequest { page_token: "AAAA".to_owned(), ..ListCustomersRequest::default() }, "page_token"),
        (ListCustomersRequest { page_token: "\0\u{fffd}".to_owned(), ..ListCustomersRequest::default() }, "page_token"),
        (ListCustomersRequest { order_by: "id; drop table".to_owned(), ..ListCustomersRequest::default() }, "order_by"),
        (ListCustomersRequest { filter: "country = ".to_owned(), ..ListCustomersRequest::default() }, "filter"),
        (ListCustomersRequest { filter: "country = \"\0\"".to_owned(), ..ListCustomersRequest::default() }, "filter"),
        (ListCustomersRequest { query: "a\0b".to_owned(), ..ListCustomersRequest::default() }, "query"),
        (ListCustomersRequest { query: "x".repeat(100_000), ..ListCustomersRequest::default() }, "query"),
    ] {
        assert_invalid(world.try_list(request).await, field);
    }
}
