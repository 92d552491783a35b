//! Two releases side by side: this one takes the place of the one before, and gives it back, while the house is at work.
//!
//! | Module | What it holds |
//! |---|---|
//! | `fleet` | two replicas of each program, of either release |
//! | `door` | one address for the replicas of a service, for a release that takes one only |
//! | `load` | everything that people and programs do, and what of it failed |

mod door;
mod fleet;
#[expect(clippy::disallowed_methods, reason = "callers of a real house make ids of their own")]
mod load;

use crate::house::SERVICES;
use crate::shop::feed;

use self::fleet::{Fleet, Programs, Release, WITHOUT_HISTORY};
use self::load::Load;

#[tokio::test(flavor = "multi_thread")]
async fn this_release_takes_the_place_of_the_one_before_and_gives_it_back_and_no_request_fails() {
    let Some(programs) = Programs::find() else {
        println!("UPGRADES ARE NOT TESTED: the release before is not in this clone, and {WITHOUT_HISTORY} is set");
        return;
    };
    let mut fleet = Fleet::start(programs).await;
    let load = Load::prepare(fleet.client(fleet.gateway()).await, fleet.rotation()).await;

    let working = load.begin();
    working.wait_for(1).await;
    // As an upgrade goes: what it needs of the database is added, then everything changes at the same time.
    fleet.migrate(Release::Now, &[]).await;
    fleet.roll(Release::Now, &working).await;
    working.wait_for(1).await;
    working.end().await;
    fleet.verify(Release::Now).await;

    let working = load.begin();
    working.wait_for(1).await;
    // And back: who asks for what is new goes first. The database stays as it is.
    fleet.roll_gateway(Release::Before, &working).await;
    fleet.roll_services(Release::Before, &working).await;
    // The release before migrates as well where it is deployed: it leaves alone what it does not know.
    working.wait_for(1).await;
    working.end().await;
    fleet.verify(Release::Before).await;

    // And for good: services first this time. Nobody misses what is taken away then.
    let working = load.begin();
    fleet.roll_services(Release::Now, &working).await;
    fleet.roll_gateway(Release::Now, &working).await;
    fleet.migrate(Release::Now, &["--contract"]).await;
    working.wait_for(1).await;
    working.end().await;
    fleet.verify(Release::Now).await;

    let client = fleet.client(fleet.gateway()).await;
    load.assert_all_is_there_once(&client).await;
    for service in SERVICES {
        feed(&client, service, 1_000).await;
    }
    for service in ["analytics", "campaigns", "messaging", "orders"] {
        let parked = client.get(&format!("/v1/operations/{service}/parkedEvents")).await.ok();
        assert_eq!(parked["parkedEvents"], serde_json::json!([]), "{service}");
    }
}
