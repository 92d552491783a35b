//! What a person or a program sees of a house, the same in both of its forms.

mod card;
mod doors;
mod hostile;
mod imports;
mod letters;
mod live;
mod past;
mod segments;
mod widget;

use crate::house::{Form, House};

macro_rules! over_both_forms {
    ($($place:ident::$test:ident,)*) => {
        mod in_one_process {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$place::$test(super::House::start(super::Form::OneProcess).await).await;
            })*
        }
        mod apart {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$place::$test(super::House::start(super::Form::Apart).await).await;
            })*
        }
    };
}

over_both_forms! {
    doors::people_and_programs_get_in_by_what_they_prove_and_no_further,
    hostile::hostile_input_is_refused_with_a_problem_that_names_the_field,
    card::a_card_follows_orders_refunds_and_cancellations_to_the_cent,
    past::changes_past_states_and_feeds_are_whole,
    letters::a_letter_goes_out_with_consent_and_not_without,
    segments::a_segment_follows_what_customers_do_and_says_why,
    live::changes_reach_a_listener_at_once_and_after_a_gap,
    widget::a_visitor_and_a_colleague_speak_and_both_see_it_at_once,
    imports::a_file_is_tried_brought_in_and_taken_back,
}
