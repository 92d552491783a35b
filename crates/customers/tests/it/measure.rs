use std::time::Instant;
use clientele_contracts::customers::v1::*;
use crate::world::*;
#[tokio::test]
async fn measure() {
    let world = World::new().await;
    let n: usize = std::env::var("N").unwrap_or("20000".into()).parse().unwrap();
    {
        let mut conn = world.database.superuser().await;
        let name: String = sqlx::query_scalar("select current_database()").fetch_one(&mut conn).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter database {name} set log_min_duration_statement=-1"))).execute(&mut conn).await.unwrap();
    }
    let names = ["Ivan", "José", "Мария", "Γιώργος", "王伟", "Anna", "Müller", "O'Brien"];
    let batch = |b: usize| (0..500).map(|k| { let i = b * 500 + k; entry(&format!("{i}"), Customer {
        phones: vec![phone(&format!("+34 9{:08}", (i * 7919) % 100_000_000))],
        emails: vec![email(&format!("customer{}@example{}.com", if i % 50 == 1 { i - 1 } else { i }, i % 97))],
        country: format!("Country {}", i % 40), kind: if i % 20 == 0 { 2 } else { 1 },
        manager_id: if i % 3 == 0 { format!("0190a1f0-0000-7000-8000-0000000000{:02}", i % 30) } else { String::new() },
        ..named(&format!("{} {} {}", names[i % 8], ["Иванов","Smith","García","Lee"][i % 4], i)) }) }).collect::<Vec<_>>();
    for round in 0..2 {
        let start = Instant::now();
        for b in 0..n / 500 { world.upsert(batch(b)).await; if b % 40 == 0 { world.database.clock.advance(chrono::TimeDelta::seconds(7)); } }
        let t = start.elapsed();
        println!("round {round}: {n} in {t:?}: {:.0}/s", n as f64 / t.as_secs_f64());
        if round == 0 && n > 30000 { break; }
    }
    let mut conn = world.database.superuser().await;
    sqlx::raw_sql("vacuum analyze").execute(&mut conn).await.unwrap();
    if std::env::var("EXPLAIN").is_ok() {
        let name: String = sqlx::query_scalar("select current_database()").fetch_one(&mut conn).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter database {name} set session_preload_libraries='auto_explain'; alter database {name} set auto_explain.log_min_duration=0; alter database {name} set auto_explain.log_analyze=on; alter database {name} set auto_explain.log_timing=off"))).execute(&mut conn).await.unwrap();
    }
    let replica = World::on(world).await;
    let world = replica;
    let cases = [("", "", ""), ("ivanov 77", "", ""), ("smith", "", ""), ("иванов", "", "display_name"), ("912345", "", ""), ("9123", "", ""), ("customer777", "", ""), ("wang 5", "", ""), ("zzzqqq", "", ""), ("7", "", ""),("qz", "", ""),
     ("", "kind = company", ""), ("", "country = 'Country 7'", ""), ("", "country = 'Nowhere'", ""), ("", "manager_id = 0190a1f0-0000-7000-8000-000000000003", ""), ("", "store_id = 0190a1f0-0000-7000-8000-000000000003", ""), ("", "source = shop", ""), ("", "source = nowhere", ""), ("", "has_phone = false", ""), ("", "has_email = true", ""), ("", "duplicate = true", ""), ("", "created_at > 2026-01-15T10:00:08Z", ""), ("", "updated_at < 2026-01-15T10:00:08Z", ""), ("", "registered_at > 2030-01-15T10:00:08Z", ""),
     ("", "", "display_name"), ("", "", "country desc"), ("", "", "updated_at"), ("", "", "registered_at desc"),
     ("", "country = 'Country 7' AND duplicate = true", "display_name"), ("smith", "country = 'Country 9' AND has_phone = true", "display_name")];
    for (query, filter, order_by) in cases {
        let request = ListCustomersRequest { query: query.into(), filter: filter.into(), order_by: order_by.into(), ..Default::default() };
        let _ = world.try_list(request.clone()).await;
        let start = Instant::now();
        match world.try_list(request).await { Ok(page) => println!("{:>9.1?} {:>6} {} {query:?} {filter:?} {order_by:?}", start.elapsed(), page.total_size, page.total_size_estimated), Err(e) => println!("{:>9.1?} {query:?} {filter:?} {order_by:?} {e:?}", start.elapsed()) }
    }
    let id = world.list(ListCustomersRequest { query: "customer100@".into(), ..Default::default() }).await.customers[0].id.clone();
    let start = Instant::now(); for _ in 0..200 { world.get(&id).await; } println!("get {:?}", start.elapsed() / 200);
    let start = Instant::now(); for _ in 0..200 { world.get(&id).await; } println!("get {:?}", start.elapsed() / 200);
}
