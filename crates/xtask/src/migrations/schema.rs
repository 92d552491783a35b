//! What the release before knows of the schemas, and what is new in them.

use std::collections::BTreeSet;

use anyhow::Context;
use sqlparser::ast::{AlterTableOperation, ObjectName, Statement, TableConstraint};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::Migration;

/// What there is, by `(context, name)`.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// Tables that the release before has.
    tables: BTreeSet<(String, String)>,
    /// Views that it has.
    views: BTreeSet<(String, String)>,
    /// Domains, of this release too.
    domains: BTreeSet<(String, String)>,
    /// Columns that it does not have, of its tables: `(context, table, column)`.
    new_columns: BTreeSet<(String, String, String)>,
    /// Checks, by `(context, table, what they check)`, and whether all rows are known to pass.
    checks: Vec<(String, String, Check)>,
}

/// A check that was added to a table.
#[derive(Debug)]
struct Check {
    name: String,
    expression: String,
    valid: bool,
}

impl Schema {
    /// Takes in a migration that the release before has.
    pub(super) fn landed(&mut self, migration: &Migration) -> anyhow::Result<()> {
        for statement in statements(&migration.text).map_err(anyhow::Error::msg).context(migration.path.clone())? {
            let context = migration.context().to_owned();
            match &statement.parsed {
                Ok(Statement::CreateTable(table)) => {
                    self.tables.insert((context, plain(&table.name)));
                }
                Ok(Statement::CreateView(view)) => {
                    self.views.insert((context, plain(&view.name)));
                }
                _ => {}
            }
            self.note(migration, &statement);
        }
        Ok(())
    }

    /// Keeps what a statement adds to a table, and the domains it makes.
    pub(super) fn note(&mut self, migration: &Migration, statement: &Read) {
        if let Ok(Statement::CreateDomain(domain)) = &statement.parsed {
            self.domains.insert((migration.context().to_owned(), plain(&domain.name)));
        }
        let Ok(Statement::AlterTable(alter)) = &statement.parsed else { return };
        let (context, table) = (migration.context().to_owned(), plain(&alter.name));
        for operation in &alter.operations {
            match operation {
                AlterTableOperation::AddConstraint { constraint: TableConstraint::Check(check), not_valid } => {
                    let name = check.name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
                    let check = Check { name, expression: normal(&check.expr.to_string()), valid: !not_valid };
                    self.checks.push((context.clone(), table.clone(), check));
                }
                AlterTableOperation::ValidateConstraint { name } => {
                    for (of, on, check) in &mut self.checks {
                        check.valid |= *of == context && *on == table && check.name == name.value;
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the release before uses the table. Those of the platform are in every schema.
    pub(super) fn has_table(&self, context: &str, table: &ObjectName) -> bool {
        let has = |context: &str| self.tables.contains(&(context.to_owned(), plain(table)));
        has(context) || has("platform")
    }

    /// Whether the release before uses the view.
    pub(super) fn has_view(&self, context: &str, view: &ObjectName) -> bool {
        let has = |context: &str| self.views.contains(&(context.to_owned(), plain(view)));
        has(context) || has("platform")
    }

    /// Whether it is a type with rules of its own that every value has to pass.
    pub(super) fn has_domain(&self, context: &str, name: &ObjectName) -> bool {
        let has = |context: &str| self.domains.contains(&(context.to_owned(), plain(name)));
        has(context) || has("platform")
    }

    pub(super) fn add_column(&mut self, context: &str, table: &ObjectName, column: &str) {
        self.new_columns.insert((context.to_owned(), plain(table), column.to_owned()));
    }

    /// Whether nobody but this release writes the column.
    pub(super) fn is_new(&self, context: &str, table: &ObjectName, column: &str) -> bool {
        self.new_columns.contains(&(context.to_owned(), plain(table), column.to_owned()))
    }

    /// Whether it is known that no row of the table lacks a value there.
    pub(super) fn is_filled(&self, context: &str, table: &ObjectName, column: &str) -> bool {
        let wanted = format!("{column} is not null");
        self.checks
            .iter()
            .any(|(of, on, check)| of == context && *on == plain(table) && check.valid && check.expression == wanted)
    }
}

/// A statement as far as it can be read.
#[derive(Debug)]
pub(super) struct Read {
    /// Its first words, in capitals.
    pub(super) words: Vec<String>,
    pub(super) parsed: Result<Statement, String>,
}

impl Read {
    pub(super) fn begins(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(one, other)| one == other)
    }
}

/// The statements of a text, each read by itself: one that cannot be read does not hide the others.
pub(super) fn statements(text: &str) -> Result<Vec<Read>, String> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for tokens in tokens.split(|token| token.token == Token::SemiColon) {
        let words: Vec<String> = tokens
            .iter()
            .filter_map(|token| match &token.token {
                Token::Word(word) => Some(word.value.to_uppercase()),
                _ => None,
            })
            .take(4)
            .collect();
        if words.is_empty() {
            continue;
        }
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens.to_vec());
        let parsed = parser.parse_statement().map_err(|error| error.to_string());
        let whole = parser.peek_token().token == Token::EOF;
        let parsed = if parsed.is_ok() && !whole {
            Err(format!("it goes on with `{}`", parser.peek_token().token))
        } else {
            parsed
        };
        found.push(Read { words, parsed });
    }
    Ok(found)
}

/// The last part of a name: schemas are known from the folder.
pub(super) fn plain(name: &ObjectName) -> String {
    name.0.last().map(|part| part.to_string().trim_matches('"').to_lowercase()).unwrap_or_default()
}

fn normal(expression: &str) -> String {
    expression.trim_matches(['(', ')']).to_lowercase()
}
