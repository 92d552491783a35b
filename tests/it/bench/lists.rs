//! Pages and searches of the customer list.

use std::time::{Duration, Instant};

use super::{Measure, fill, milliseconds, percentile};
use crate::rest::{Client, escaped};

const TIMES: usize = 20;
const LIMIT: Duration = Duration::from_millis(200);

pub(super) async fn measure(client: &Client, size: usize, regulars: &[String]) -> Vec<Measure> {
    let someone = client.get(&format!("/v1/customers/{}", regulars[0])).await.ok();
    let deep = deep(client).await;
    let of = |name: &str| {
        let text = someone[name][0].clone();
        text["number"].as_str().or(text["address"].as_str()).expect("somebody has contact points").to_owned()
    };
    let asked = [
        ("first page", "pageSize=50".to_owned()),
        ("a page by name, after 10,000", deep),
        ("page of a country", format!("pageSize=50&filter={}", escaped("country = \"Spain\""))),
        ("search: two parts of a name", format!("pageSize=50&query={}", escaped("ivan kir"))),
        ("search: a rare name", format!("pageSize=50&query={}", escaped(&fill::name(size - 1)))),
        ("search: what nobody has", format!("pageSize=50&query={}", escaped("zyxwvutsrq"))),
        ("search: part of a phone", format!("pageSize=50&query={}", escaped(&of("phones")[6..]))),
        ("search: an address", format!("pageSize=50&query={}", escaped(&of("emails")))),
    ];
    let mut table = Vec::new();
    for (what, query) in asked {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begun = Instant::now();
            let page = client.get(&format!("/v1/customers?{query}")).await;
            times.push(begun.elapsed());
            if !page.status.is_success() {
                break;
            }
        }
        times.sort_unstable();
        let (half, worst) = (percentile(&times, 50), percentile(&times, 100));
        let mut line = Measure::new(format!("list of {size}: {what}"), milliseconds(half));
        line.figure = format!("worst {}", milliseconds(worst));
        let holds = times.len() == TIMES && half < LIMIT;
        table.push(line.goal("below 200 ms", holds));
    }
    table
}

/// The query of a page far into the list.
async fn deep(client: &Client) -> String {
    let query = format!("pageSize=500&orderBy={}", escaped("display_name"));
    let mut token = String::new();
    for _ in 0..20 {
        let page = client.get(&format!("/v1/customers?{query}&pageToken={}", escaped(&token))).await.ok();
        page["nextPageToken"].as_str().expect("a page has a token").clone_into(&mut token);
    }
    format!("pageSize=50&orderBy={}&pageToken={}", escaped("display_name"), escaped(&token))
}
