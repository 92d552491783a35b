//! What a statement does besides what its first word says: which tables it reads, what is written within it, which rows it
//! locks, which functions it calls.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Insert, ObjectName, ObjectNamePart, Query, Select, Statement, Visit, Visitor};

/// Found in a statement or a part of one.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Tables, or what stands in the place of one.
    pub(super) reads: Vec<ObjectName>,
    /// Functions that are called.
    pub(super) calls: Vec<ObjectName>,
    /// Rows are written by a statement within, as in `with gone as (delete …)`.
    pub(super) writes: bool,
    /// Rows are locked: `for update`, `for share`.
    pub(super) locks: bool,
    /// A table is made of what is read: `select … into`.
    pub(super) makes: bool,
}

impl Effects {
    pub(super) fn of(part: &impl Visit) -> Self {
        let mut found = Self::default();
        let ControlFlow::Continue(()) = part.visit(&mut found);
        found
    }

    /// What a statement brings in that adds rows: all but the table that they are added to.
    pub(super) fn of_source(insert: &Insert) -> Self {
        insert.source.as_ref().map(|source| Self::of(source.as_ref())).unwrap_or_default()
    }

    /// Functions that are not PostgreSQL's own, or wait for others on purpose.
    pub(super) fn foreign_calls(&self) -> impl Iterator<Item = &ObjectName> {
        self.calls.iter().filter(|name| {
            let parts: Vec<String> =
                name.0.iter().filter_map(ObjectNamePart::as_ident).map(|part| part.value.to_lowercase()).collect();
            match parts.as_slice() {
                [own] => WAITS.iter().any(|waits| own.starts_with(waits)),
                [schema, own] if schema == "pg_catalog" => WAITS.iter().any(|waits| own.starts_with(waits)),
                _ => true,
            }
        })
    }
}

/// Functions of PostgreSQL that wait, or lock until the transaction ends.
const WAITS: [&str; 3] = ["pg_advisory", "pg_sleep", "dblink"];

impl Visitor for Effects {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.locks |= !query.locks.is_empty();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        self.makes |= select.into.is_some();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        self.reads.push(relation.clone());
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        if let Expr::Function(function) = expr {
            self.calls.push(function.name.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        self.writes |= matches!(
            statement,
            Statement::Update(_) | Statement::Delete(_) | Statement::Insert(_) | Statement::Merge(_)
        );
        ControlFlow::Continue(())
    }
}
