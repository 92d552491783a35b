//! Values as statements take them.

/// The same column of many rows, as PostgreSQL's `unnest` takes it: `column!(orders, o => o.id.uuid())`.
#[macro_export]
macro_rules! column {
    ($rows:expr, $row:pat => $value:expr) => {
        &$rows.iter().map(|$row| $value).collect::<::std::vec::Vec<_>>()[..]
    };
}

/// A pattern of `like` for "has this part": what means something in a pattern is taken literally.
pub fn pattern(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_holds_a_value_of_each_row_in_their_order() {
        let rows = [(1, "a"), (2, "b")];
        let (numbers, letters): (&[i32], &[&str]) = (column!(rows, (n, _) => *n), column!(rows, (_, l) => *l));
        assert_eq!((numbers, letters), (&[1, 2][..], &["a", "b"][..]));
    }

    #[test]
    fn what_means_something_in_a_pattern_is_taken_literally() {
        assert_eq!(pattern(r"50%_\"), r"%50\%\_\\%");
    }
}
