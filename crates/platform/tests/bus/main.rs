//! The bus from outside: one suite of promises over both implementations, and what only JetStream can go through.

#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the way to fail")]

mod fixture;
mod jetstream;
mod suite;

macro_rules! promises {
    ($($name:ident)*) => {
        mod in_process_promises {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::suite::$name(&crate::fixture::Fixture::in_process()).await;
            })*
        }

        mod jetstream_promises {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::suite::$name(&crate::fixture::Fixture::jetstream().await).await;
            })*
        }
    };
}

promises! {
    the_first_delivery_is_a_gap
    events_arrive_whole_and_in_the_order_of_their_partition
    partitions_published_at_once_keep_their_order
    every_subscriber_gets_every_event
    a_subscriber_gets_the_events_of_its_context_alone
    a_subscription_begins_now
    events_published_again_do_no_harm
    a_subscriber_that_falls_behind_gets_a_gap_and_holds_up_nobody
    giving_up_a_wait_loses_nothing
    what_is_no_name_of_a_context_is_refused
}
