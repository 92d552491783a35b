//! Page sizes and page tokens. Lists are paged by key: a token holds the key of the last row, never an offset.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The size of a page: what was asked for, `default` for 0. Refuses negative numbers; more than `max` gives `max`.
pub fn size(requested: i32, default: u32, max: u32) -> Result<u32, Error> {
    match u32::try_from(requested) {
        Err(_) => Err(Error::invalid(
            "page_size",
            format!("`{requested}` is negative: 1 to {max} is wanted, 0 for {default}"),
        )),
        Ok(0) => Ok(default),
        Ok(n) => Ok(n.min(max)),
    }
}

#[derive(Serialize, Deserialize)]
struct Token<T> {
    q: u64,
    k: T,
}

/// What a token belongs to: a token of one query is refused by another.
pub fn fingerprint(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0xff]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The token for the rows after `key`.
pub fn encode<T: Serialize>(key: &T, fingerprint: u64) -> String {
    let json =
        serde_json::to_vec(&Token { q: fingerprint, k: key }).expect("keys are plain values, which always serialise");
    URL_SAFE_NO_PAD.encode(json)
}

/// The key in a token; `None` for the empty token of a first page.
pub fn decode<T: DeserializeOwned>(token: &str, fingerprint: u64) -> Result<Option<T>, Error> {
    const LONGEST: usize = 4096;
    if token.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::invalid("page_token", "is not a token of this list: send `next_page_token` as it was given");
    if token.len() > LONGEST {
        return Err(wrong());
    }
    let json = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    let token: Token<T> = serde_json::from_slice(&json).map_err(|_| wrong())?;
    if token.q != fingerprint {
        return Err(Error::invalid("page_token", "belongs to another search, filter or order: start again without it"));
    }
    Ok(Some(token.k))
}

/// Cuts rows fetched with one to spare down to a page, and tells whether more follow.
pub fn cut<T>(rows: &mut Vec<T>, size: u32) -> bool {
    let size = size as usize;
    let more = rows.len() > size;
    rows.truncate(size);
    more
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_gives_back_its_key(name in ".*", number: i64) {
            let token = encode(&(&name, number), 1);
            prop_assert_eq!(decode::<(String, i64)>(&token, 1).unwrap(), Some((name, number)));
        }

        #[test]
        fn any_text_is_refused_or_read_but_never_a_panic(text in ".*") {
            let _ = decode::<(String, i64)>(&text, 1);
        }
    }

    #[test]
    fn a_token_of_another_query_is_refused() {
        let token = encode(&1, fingerprint(&["a", "b"]));
        assert!(decode::<i32>(&token, fingerprint(&["ab", ""])).is_err());
    }

    #[test]
    fn a_page_size_is_bounded() {
        assert_eq!(size(0, 100, 500).unwrap(), 100);
        assert_eq!(size(9999, 100, 500).unwrap(), 500);
        assert!(size(-1, 100, 500).is_err());
    }
}
