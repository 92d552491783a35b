//! Which of the encodings that files are kept in a client takes.

/// An encoding that files are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// What it adds to the name of a file.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }

    /// Its name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// The encodings that an `Accept-Encoding` admits, the smaller files first.
pub(super) fn preferred(accepted: &str) -> Vec<Encoding> {
    [Encoding::Brotli, Encoding::Gzip].into_iter().filter(|encoding| admits(accepted, encoding.name())).collect()
}

fn admits(accepted: &str, name: &str) -> bool {
    let weight = |wanted: &str| {
        accepted.split(',').find_map(|item| {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let quality = parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            coding.trim().eq_ignore_ascii_case(wanted).then_some(quality)
        })
    };
    weight(name).or_else(|| weight("*")).is_some_and(|quality: f32| quality > 0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_accepted_nothing_is_sent_that_is_not_named_or_starred(
            accepted in "((br|gzip|BR|x-gzip|identity|\\*|.{0,3})(;? ?q ?= ?(0|1|0\\.[0-9]{0,3}|NaN|inf|-1|.{0,3}))?,? ?){0,5}",
        ) {
            let sent = preferred(&accepted);
            let lower = accepted.to_ascii_lowercase();
            for encoding in &sent {
                prop_assert!(lower.contains(encoding.name()) || lower.contains('*'), "{accepted}: {sent:?}");
            }
            prop_assert!(sent.is_sorted_by_key(|encoding| *encoding == Encoding::Gzip));
            let none = format!("br;q=0, gzip;q=0, {accepted}");
            prop_assert_eq!(preferred(&none), []);
        }
    }

    #[test]
    fn the_smallest_file_that_the_client_takes_is_sent() {
        for (accepted, wanted) in [
            ("gzip, deflate, br, zstd", vec![Encoding::Brotli, Encoding::Gzip]),
            ("gzip", vec![Encoding::Gzip]),
            ("br;q=0, gzip;q=0.5", vec![Encoding::Gzip]),
            ("*", vec![Encoding::Brotli, Encoding::Gzip]),
            ("*;q=0", vec![]),
            ("identity", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(preferred(accepted), wanted, "{accepted}");
        }
    }
}
