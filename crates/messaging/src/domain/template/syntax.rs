//! What a text of a letter may say of what Jinja can: values and conditions.

use clientele_kernel::error::shorten;

const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// Operators by which a short text could become a long one.
const GROWING: [char; 3] = ['*', '+', '~'];

/// Fails, naming the line, where a text uses more than values and conditions.
pub(super) fn check(source: &str) -> Result<(), String> {
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let tag = &rest[at..];
        let line = || source[..source.len() - tag.len()].matches('\n').count() + 1;
        if let Some(comment) = tag.strip_prefix("{#") {
            let Some(end) = comment.find("#}") else { return Ok(()) };
            rest = &comment[end + 2..];
        } else if let Some((inner, is_statement)) =
            tag.strip_prefix("{{").map(|inner| (inner, false)).or_else(|| Some((tag.strip_prefix("{%")?, true)))
        {
            // A tag that does not end is for the parser to complain of.
            let Some((inner, after)) = split(inner, if is_statement { "%}" } else { "}}" }) else { return Ok(()) };
            let words = inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']);
            if is_statement {
                let word = words.split_whitespace().next().unwrap_or_default();
                if !STATEMENTS.contains(&word) {
                    let shown = shorten(word);
                    return Err(format!(
                        "line {}: `{shown}` is not taken here: `if`, `elif`, `else`, `endif` are",
                        line()
                    ));
                }
            }
            if let Some(operator) = outside_quotes(words).find(|c| GROWING.contains(c)) {
                return Err(format!("line {}: `{operator}` is not taken here: values are shown as they are", line()));
            }
            rest = after;
        } else {
            rest = &tag[1..];
        }
    }
    Ok(())
}

/// The inside of a tag up to its end, which does not count within quotes, and what follows.
fn split<'a>(inner: &'a str, end: &str) -> Option<(&'a str, &'a str)> {
    let mut quote = Quote::default();
    for (at, c) in inner.char_indices() {
        if !quote.is_inside(c) && inner[at..].starts_with(end) {
            return Some((&inner[..at], &inner[at + end.len()..]));
        }
    }
    None
}

fn outside_quotes(words: &str) -> impl Iterator<Item = char> {
    let mut quote = Quote::default();
    words.chars().filter(move |c| !quote.is_inside(*c))
}

/// Follows a text through its quotes.
#[derive(Default)]
struct Quote {
    open: Option<char>,
    escaped: bool,
}

impl Quote {
    /// Takes the next character; true where it belongs to a quoted part, quotes included.
    fn is_inside(&mut self, c: char) -> bool {
        match self.open {
            Some(_) if self.escaped => self.escaped = false,
            Some(_) if c == '\\' => self.escaped = true,
            Some(quote) if c == quote => self.open = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => self.open = Some(c),
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_conditions_and_comments_are_taken() {
        for source in [
            "",
            "no tags { at } all",
            "{{ customer.name|default('a + b * c ~ }} {% for %}', true) }}",
            "{%- if a -%}x{% elif b %}y{% else %}z{%+ endif %}",
            "{# {% for x in y %} * #}",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn whatever_could_make_a_short_text_long_is_refused_with_its_line() {
        for (source, line) in [
            ("{% for x in y %}{% endfor %}", 1),
            ("a\n{% set x = 1 %}", 2),
            ("a\nb\n{%-macro m() %}", 3),
            ("{% raw %}", 1),
            ("{{ 'x' * 1000000 }}", 1),
            ("{{ a ~ a }}", 1),
            ("{% if a + a %}{% endif %}", 1),
        ] {
            assert!(check(source).unwrap_err().starts_with(&format!("line {line}: ")), "{source}");
        }
    }
}
