//! HTML of letters: cleaned of all that is not formatting, links and images, and turned into plain text.

use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use clientele_kernel::Error;

/// Properties of styles that only format. None of them can name an address.
const PROPERTIES: [&str; 27] = [
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "direction",
    "display",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "height",
    "line-height",
    "margin",
    "max-width",
    "padding",
    "text-align",
    "text-decoration",
    "width",
];

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::default();
    cleaner
        .add_generic_attributes(["style", "align", "dir"])
        .filter_style_properties(HashSet::from(PROPERTIES))
        .add_tag_attributes("table", ["width", "cellpadding", "cellspacing", "border", "bgcolor"])
        .add_tag_attributes("td", ["width", "valign", "bgcolor"])
        .add_tag_attributes("th", ["width", "valign", "bgcolor"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel"]))
        // There is no page that an address in a letter could be relative to.
        .url_relative(UrlRelative::Deny);
    cleaner
});

/// Columns of a plain text.
const WIDTH: usize = 78;

/// Elements that open without being closed by a tag of their own.
const UNCLOSED: [&str; 21] = [
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p",
    "source", "td", "th", "tr", "track", "wbr",
];
/// How deep elements nest and how many there are at most: what cleaning costs grows with the product of both.
const DEEPEST: usize = 64;
const MOST: usize = 10_000;

/// Fails where a text has more elements, or nests them deeper, than any letter does.
pub(crate) fn check(html: &str) -> Result<(), Error> {
    let (mut depth, mut count) = (0_usize, 0_usize);
    for tag in html.split('<').skip(1) {
        let (closes, rest) = tag.strip_prefix('/').map_or((false, tag), |rest| (true, rest));
        let name: String =
            rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || UNCLOSED.contains(&name.as_str()) {
            count += usize::from(!name.is_empty());
        } else if closes {
            depth = depth.saturating_sub(1);
        } else {
            depth += 1;
            count += 1;
        }
        if depth > DEEPEST {
            return Err(Error::invalid("html", format!("nests elements deeper than {DEEPEST}")));
        }
        if count > MOST {
            return Err(Error::invalid("html", format!("has more than {MOST} elements")));
        }
    }
    Ok(())
}

/// The same without scripts, forms, frames, styles that load something and the like.
pub(crate) fn clean(html: &str) -> String {
    CLEANER.clean(html).to_string().replace('\u{feff}', "")
}

/// The same in words, links as footnotes.
pub(crate) fn to_text(html: &str) -> Result<String, Error> {
    html2text::config::plain()
        .allow_width_overflow()
        .link_footnotes(true)
        .string_from_read(html.as_bytes(), WIDTH)
        .map(|text| text.trim().to_owned())
        .map_err(|error| {
            Error::invalid("html", "cannot be turned into plain text: give `text` as well").with_source(error)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_formatting_links_and_images_are_left() {
        let dirty = r#"<h1 onclick="x()">Hi</h1><script>alert(1)</script><style>p{}</style><iframe src="https://e"></iframe>
            <a href="javascript:alert(1)">j</a><a href="https://example.com/a?b=1">ok</a><a href="/there">r</a>
            <img src="https://example.com/i.png" onerror="x()" width="10"><img src="data:image/png;base64,AA">
            <p style="color: red; background-image: url(https://spy); position: fixed">p</p><form><input></form>
            <meta http-equiv="refresh" content="0"><base href="https://evil"><object data="x"></object>"#;
        let clean = clean(dirty);
        for gone in [
            "onclick",
            "script",
            "<style",
            "iframe",
            "javascript",
            "onerror",
            "data:",
            "url(",
            "position",
            "form",
            "meta",
            "base",
            "object",
            "/there",
        ] {
            assert!(!clean.contains(gone), "{gone} is left in {clean}");
        }
        for kept in ["<h1>Hi</h1>", "https://example.com/a?b=1", "https://example.com/i.png", "color:red"] {
            assert!(clean.contains(kept), "{kept} is gone from {clean}");
        }
    }

    #[test]
    fn words_and_links_stay_in_the_plain_text() {
        let text =
            to_text("<p>Hello <b>Ana</b></p><ul><li>one</li></ul><a href=\"https://example.com/x\">here</a>").unwrap();
        for part in ["Hello", "Ana", "one", "here", "https://example.com/x"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn what_nests_absurdly_deep_or_goes_on_for_ever_is_refused() {
        for absurd in ["<div>".repeat(60_000), "<b>x<p>".repeat(40_000), "<br>".repeat(70_000), "<p>".repeat(90_000)] {
            assert_eq!(check(&absurd).unwrap_err().violations[0].field, "html");
        }
        let wide = "<table><tr><td>x</td></tr></table><p>a<br>b<p>c</p><li>d".repeat(500);
        check(&wide).unwrap();
        assert!(to_text(&clean(&wide)).unwrap().contains('d'));
    }

    #[test]
    fn what_is_just_taken_is_cleaned_in_good_time() {
        let bold = (0..60).map(|n| format!("<b lang={n}>")).collect::<Vec<_>>().concat();
        let costly = bold + &"<p>x".repeat(9_900);
        check(&costly).unwrap();
        let begun = std::time::Instant::now();
        let cleaned = clean(&costly);
        assert!(cleaned.contains('x') && begun.elapsed() < std::time::Duration::from_secs(30));
    }

    proptest! {
        #[test]
        fn any_text_can_be_cleaned_and_cleaning_again_changes_nothing(html in "(<[a-z]{1,6}( [a-z]{2,5}=\"[^\"]{0,9}\")?>|[^<]{0,9}|</[a-z]{1,6}>){0,12}") {
            check(&html).unwrap();
            let once = clean(&html);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(!once.contains("<script"));
            let _ = to_text(&once);
        }
    }
}
