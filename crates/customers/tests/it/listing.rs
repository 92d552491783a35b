//! Search, filter, sort, page.

use std::time::Duration;

use clientele_contracts::customers::v1::{Customer, CustomerKind, ListCustomersRequest};
use tonic::Code;

use crate::world::{World, assert_invalid, email, entry, named, phone, reason, reference};

fn filtered(filter: &str) -> ListCustomersRequest {
    ListCustomersRequest { filter: filter.to_owned(), ..ListCustomersRequest::default() }
}

fn ordered(order_by: &str, page_size: i32) -> ListCustomersRequest {
    ListCustomersRequest { order_by: order_by.to_owned(), page_size, ..ListCustomersRequest::default() }
}

/// All names of a list, page by page.
async fn walk(world: &World, first: ListCustomersRequest) -> Vec<String> {
    let (mut names, mut request) = (Vec::new(), first);
    loop {
        let page = world.list(request.clone()).await;
        names.extend(page.customers.into_iter().map(|customer| customer.display_name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return names;
        }
    }
}

#[tokio::test]
async fn a_customer_is_found_by_any_part_of_its_name_in_any_script() {
    let world = World::new().await;
    for name in ["Иванов Пётр", "José García", "Γιώργος Παπαδόπουλος", "محمد علي", "王伟", "O'Brien & Söhne"]
    {
        world.create(named(name)).await;
    }
    for (query, found) in [
        ("иван", "Иванов Пётр"),
        ("ПЕТР ивано", "Иванов Пётр"),
        ("ivanov", "Иванов Пётр"),
        ("garcia", "José García"),
        ("SÉ GARC", "José García"),
        ("παπαδ", "Γιώργος Παπαδόπουλος"),
        ("Γιωργος", "Γιώργος Παπαδόπουλος"),
        ("محمد", "محمد علي"),
        ("王", "王伟"),
        ("伟", "王伟"),
        ("obrien sohne", "O'Brien & Söhne"),
        ("o’brien", "O'Brien & Söhne"),
    ] {
        assert_eq!(world.search(query).await, [found], "{query}");
    }
    assert_eq!(world.search("ivanov garcia").await, [""; 0]);
}

#[tokio::test]
async fn a_customer_is_found_by_parts_of_phones_mails_and_external_ids() {
    let world = World::new().await;
    world
        .create(Customer {
            phones: vec![phone("+34 (912) 345-678"), phone("ext. 99 87")],
            emails: vec![email("Maria.Lopez@Example.com")],
            references: vec![reference("C-17850/A")],
            ..named("Maria")
        })
        .await;
    world
        .create(Customer { phones: vec![phone("+34 913 999 999")], emails: vec![email("x@y.org")], ..named("Other") })
        .await;
    for query in [
        "912345678",
        "912-345",
        "+34 912 345",
        "(912)",
        "345678",
        "9987",
        "maria.lopez@",
        "LOPEZ@example",
        "17850",
        "c-17850",
        "17850/a",
        "C17850",
        "maria 17850 912",
    ] {
        assert_eq!(world.search(query).await, ["Maria"], "{query}");
    }
    for query in ["912999", "lopez@y", "17851"] {
        assert_eq!(world.search(query).await, [""; 0], "{query}");
    }
    // What is no longer so is not found any more.
    let maria = world
        .list(ListCustomersRequest { query: "maria".into(), ..ListCustomersRequest::default() })
        .await
        .customers
        .remove(0);
    world.update(Customer { phones: vec![], ..maria }, &["phones"]).await;
    assert_eq!(world.search("912345678").await, [""; 0]);
}

#[tokio::test]
async fn what_means_something_in_a_pattern_is_searched_as_it_is() {
    let world = World::new().await;
    for name in ["50% off", "500 off", "a_b", "axb", r"c\d", "cd"] {
        world.create(named(name)).await;
    }
    for (query, found) in
        [("50%", "50% off"), ("a_b", "a_b"), (r"c\d", r"c\d"), ("%", "50% off"), ("_", "a_b"), ("\\", r"c\d")]
    {
        assert_eq!(world.search(query).await, [found], "{query}");
    }
}

#[tokio::test]
async fn each_declared_filter_selects_what_it_says() {
    let world = World::new().await;
    let manager = "0190a1f0-0000-7000-8000-000000000001";
    let store = "0190a1f0-0000-7000-8000-000000000002";
    world
        .create(Customer {
            kind: CustomerKind::Company.into(),
            country: "Spain".into(),
            manager_id: manager.into(),
            store_id: store.into(),
            phones: vec![phone("+34 912 345 678")],
            emails: vec![email("a@b.co")],
            references: vec![reference("1")],
            ..named("Full")
        })
        .await;
    world.database.clock.advance(chrono::TimeDelta::days(1));
    world.create(Customer { phones: vec![phone("+34 912 345 678")], country: "France".into(), ..named("Twin") }).await;
    world.database.clock.advance(chrono::TimeDelta::days(1));
    world.create(named("Bare")).await;
    for (filter, names) in [
        ("kind = company", vec!["Full"]),
        ("kind != COMPANY", vec!["Bare", "Twin"]),
        ("country = \"Spain\"", vec!["Full"]),
        ("country = ''", vec!["Bare"]),
        ("country != \"Spain\"", vec!["Bare", "Twin"]),
        ("country : fran", vec!["Twin"]),
        (&format!("manager_id = {manager}"), vec!["Full"]),
        ("manager_id = ''", vec!["Bare", "Twin"]),
        (&format!("manager_id != {manager}"), vec!["Bare", "Twin"]),
        (&format!("store_id = \"{store}\""), vec!["Full"]),
        ("source = shop", vec!["Full"]),
        ("source != shop", vec!["Bare", "Twin"]),
        ("source : ho", vec!["Full"]),
        ("has_phone = true", vec!["Full", "Twin"]),
        ("has_phone != true", vec!["Bare"]),
        ("has_email = false", vec!["Bare", "Twin"]),
        ("duplicate = true", vec!["Full", "Twin"]),
        ("duplicate = false", vec!["Bare"]),
        ("created_at >= \"2026-01-16T10:00:00Z\"", vec!["Bare", "Twin"]),
        ("created_at < 2026-01-16T10:00:00Z", vec!["Full"]),
        ("updated_at > '2026-01-16T10:00:00Z' AND has_phone = false", vec!["Bare"]),
        ("registered_at <= \"2026-01-16T11:00:00+01:00\" AND country = 'France' AND duplicate = true", vec!["Twin"]),
    ] {
        let page = world.list(filtered(filter)).await;
        let mut found: Vec<_> = page.customers.iter().map(|c| c.display_name.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, names, "{filter}");
        assert_eq!(
            (page.total_size, page.total_size_estimated),
            (i64::try_from(names.len()).unwrap(), false),
            "{filter}"
        );
    }
}

#[tokio::test]
async fn a_part_of_a_text_is_found_in_any_case_of_any_script() {
    let world = World::new().await;
    for country in ["Россия", "España", "Ελλάδα", "ÅLAND"] {
        world.create(Customer { country: country.into(), ..named(country) }).await;
    }
    for (filter, found) in [
        ("country:россия", "Россия"),
        ("country : РОСС", "Россия"),
        ("country : \"ESPAÑ\"", "España"),
        ("country : ΕΛΛΆ", "Ελλάδα"),
        ("country : åland", "ÅLAND"),
    ] {
        let names: Vec<_> = world.list(filtered(filter)).await.customers.into_iter().map(|c| c.display_name).collect();
        assert_eq!(names, [found], "{filter}");
    }
}

#[tokio::test]
async fn a_field_that_is_not_declared_is_refused_with_those_that_are() {
    let world = World::new().await;
    let status = world.try_list(filtered("search_text = 'x'")).await.unwrap_err();
    assert!(status.message().contains("kind, country, manager_id"), "{status:?}");
    assert_invalid(Err::<(), _>(status), "filter");
}

#[tokio::test]
async fn each_order_is_kept_over_pages_with_ties() {
    let world = World::new().await;
    let entries = (0..23).map(|i| {
        let country = ["Spain", "France", ""][i % 3].to_owned();
        entry(&i.to_string(), Customer { country, ..named(&format!("{} {i:02}", ["anna", "Ánna", "Борис"][i % 3])) })
    });
    // All in one moment: times are all equal, and the ids alone tell them apart.
    world.upsert(entries.collect()).await;
    for order in ["display_name", "registered_at", "created_at", "updated_at", "country"] {
        let rising = walk(&world, ordered(order, 4)).await;
        let falling = walk(&world, ordered(&format!("{order} desc"), 5)).await;
        assert_eq!(rising.len(), 23, "{order}");
        assert_eq!(rising, falling.into_iter().rev().collect::<Vec<_>>(), "{order}");
    }
    let by_name = walk(&world, ordered("display_name", 7)).await;
    assert_eq!((by_name[0].as_str(), by_name[1].as_str(), by_name[22].as_str()), ("anna 00", "Ánna 01", "Борис 20"));
}

#[tokio::test]
async fn pages_stay_right_while_customers_are_added() {
    let world = World::new().await;
    for i in 0..6 {
        world.database.clock.advance(chrono::TimeDelta::seconds(1));
        world.create(named(&format!("Old {i}"))).await;
    }
    let first = world.list(ordered("", 3)).await;
    assert_eq!(first.total_size, 6);
    world.database.clock.advance(chrono::TimeDelta::seconds(1));
    world.create(named("New")).await;
    let second = world.list(ListCustomersRequest { page_token: first.next_page_token.clone(), ..ordered("", 3) }).await;
    let names = |page: &[Customer]| page.iter().map(|c| c.display_name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&first.customers), ["Old 5", "Old 4", "Old 3"]);
    assert_eq!(names(&second.customers), ["Old 2", "Old 1", "Old 0"]);
    assert_eq!((second.total_size, second.next_page_token.as_str()), (0, ""));
}

#[tokio::test]
async fn a_token_of_another_list_is_refused() {
    let world = World::new().await;
    for i in 0..3 {
        world.create(named(&format!("Ana {i}"))).await;
    }
    let token = world.list(ordered("", 1)).await.next_page_token;
    let base = ListCustomersRequest { page_token: token.clone(), page_size: 1, ..ListCustomersRequest::default() };
    for other in [
        ListCustomersRequest { order_by: "created_at".into(), ..base.clone() },
        ListCustomersRequest { filter: "has_phone = true".into(), ..base.clone() },
        ListCustomersRequest { query: "ana".into(), ..base.clone() },
        ListCustomersRequest { page_token: format!("{token}A"), ..base.clone() },
    ] {
        assert_invalid(world.try_list(other).await, "page_token");
    }
    assert_eq!(world.list(base).await.customers.len(), 1);
}

#[tokio::test]
async fn beyond_ten_thousand_the_total_is_an_estimate() {
    let world = World::new().await;
    let mut conn = world.database.superuser().await;
    generate(&mut conn, 12_000).await;
    let all = world.list(ordered("", 1)).await;
    assert!(all.total_size_estimated && (10_001..20_000).contains(&all.total_size), "{}", all.total_size);
    let some = world.list(filtered("country = 'Country 7'")).await;
    assert_eq!((some.total_size, some.total_size_estimated), (240, false));
}

#[tokio::test]
async fn a_list_that_takes_too_long_says_how_to_narrow_it() {
    let world = World::with_statement_timeout(Some(Duration::from_millis(300))).await;
    world.create(named("Ana")).await;
    // Another transaction keeps the table from being read for longer than a statement may take.
    let mut conn = world.database.superuser().await;
    sqlx::raw_sql("begin; lock table customers.customer in access exclusive mode").execute(&mut conn).await.unwrap();
    let status = world.try_list(ordered("", 1)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "FILTER_TOO_BROAD"));
    assert!(status.message().contains("narrow it"), "{status:?}");
}

/// Writes many customers straight into the tables: as the store writes them, quicker.
async fn generate(conn: &mut sqlx::PgConnection, count: i32) {
    sqlx::query(
        "insert into customers.customer (id, kind, display_name, country, registered_at, created_at, updated_at, version,
                                         sort_name, search_text, phone_count, has_phone, has_email)
         select md5('customer ' || n)::uuid, case when n % 20 = 0 then 'company' else 'person' end, 'Name ' || n, 'Country ' || n % 50,
                m, m, m, 1, 'name ' || n, 'name ' || md5(n::text) || ' 34' || (910000000 + n), 1, true, n % 10 = 0
         from generate_series(1, $1) as n, lateral (select timestamptz '2026-01-01 00:00:00Z' + n * interval '1 minute' as m) as t",
    )
    .bind(count)
    .execute(&mut *conn)
    .await
    .unwrap();
    sqlx::raw_sql("analyze customers.customer").execute(conn).await.unwrap();
}
