//! The comments of the proto files, by the descriptor they stand on.

use std::collections::HashMap;

use prost_reflect::DescriptorPool;

/// The leading comments of everything in a pool.
pub(super) struct Comments {
    by_place: HashMap<(String, Vec<i32>), String>,
}

impl Comments {
    /// Reads the comments of all files.
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let mut by_place = HashMap::new();
        for file in pool.files() {
            let Some(info) = &file.file_descriptor_proto().source_code_info else { continue };
            for location in &info.location {
                if let Some(comment) = &location.leading_comments {
                    by_place.insert((file.name().to_owned(), location.path.clone()), unwrap_lines(comment));
                }
            }
        }
        Self { by_place }
    }

    /// The comment at a place of a file; empty where there is none.
    pub(super) fn at(&self, file: &str, path: &[i32]) -> String {
        // Allocating for a look-up is fine here: the document is made once.
        self.by_place.get(&(file.to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }
}

/// Joins the lines of each paragraph: where a comment is broken has no meaning.
fn unwrap_lines(comment: &str) -> String {
    let paragraphs = comment.split("\n\n").map(|paragraph| {
        let lines: Vec<_> = paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join(" ")
    });
    let kept: Vec<_> = paragraphs.filter(|paragraph| !paragraph.is_empty()).collect();
    kept.join("\n\n")
}

/// The first sentence, without its full stop.
pub(super) fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let end = line.find(". ").unwrap_or(line.len());
    line[..end].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_paragraph_are_joined_and_paragraphs_kept() {
        assert_eq!(unwrap_lines(" One\n two.\n\n Three.\n"), "One two.\n\nThree.");
    }

    #[test]
    fn the_first_sentence_ends_at_its_full_stop() {
        assert_eq!(first_sentence("Returns one. NOT_FOUND when none."), "Returns one");
        assert_eq!(first_sentence("Lists all."), "Lists all");
        assert_eq!(first_sentence(""), "");
    }
}
