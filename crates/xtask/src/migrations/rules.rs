//! What a migration may do.
//!
//! There are two kinds of faults. One *holds up*: whoever writes would wait for as long as the migration takes. The other
//! *breaks* the release before, which works on the same tables: that is allowed to a migration that contracts, which is run
//! when nobody uses what it takes. A rule that knows too little to see that a statement does no harm can be answered in
//! the file, `-- harmless: <rule>: <why>`.

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation as Operation, ColumnDef, ColumnOption, CreateIndex,
    CreateTable, CreateView, DataType, Expr, ForeignKeyConstraint, Insert, ObjectName, ReferentialAction, Statement,
    TableConstraint,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::Migration;
use super::effects::Effects;
use super::schema::{Read, Schema, statements};

const NO_TRANSACTION: &str = "-- no-transaction";
const CONTRACT: &str = "-- contract: since ";
const HARMLESS: &str = "-- harmless: ";

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Those who write wait.
    HoldsUp,
    /// The release before fails.
    Breaks,
    /// It may do either, or nothing.
    Unclear,
}

/// A fault of a statement.
struct Fault(Kind, &'static str, String);

/// What is wrong with a new migration, a line each; what it adds is kept.
pub(super) fn check(migration: &Migration, schema: &mut Schema) -> Vec<String> {
    let told = |fault: Fault| format!("{}: {}: {}", migration.path, fault.1, fault.2);
    let statements = match statements(&migration.text) {
        Ok(statements) => statements,
        Err(error) => return vec![told(Fault(Kind::Unclear, "unreadable", error))],
    };
    let contracts = migration.file().split('_').nth(1) == Some("contract");
    let mut faults = form(migration, contracts, &statements);
    for statement in &statements {
        faults.extend(Checker { migration, schema }.statement(statement));
        schema.note(migration, statement);
    }
    faults.extend(company(migration, schema, &statements));
    let answered = |rule: &str| {
        let answers = migration.text.lines().filter_map(|line| line.strip_prefix(HARMLESS));
        answers.filter_map(|answer| answer.split_once(": ")).any(|(of, why)| of == rule && !why.trim().is_empty())
    };
    faults.retain(|Fault(kind, rule, _)| (!contracts || *kind != Kind::Breaks) && !answered(rule));
    faults.into_iter().map(told).collect()
}

/// What the file says of itself.
fn form(migration: &Migration, contracts: bool, statements: &[Read]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |rule, what: &str| faults.push(Fault(Kind::Unclear, rule, what.to_owned()));
    let reason = migration.text.lines().find_map(|line| line.strip_prefix(CONTRACT));
    let reasoned = reason.and_then(|reason| reason.split_once(": ")).is_some_and(|(_, why)| !why.trim().is_empty());
    match (contracts, reasoned) {
        (true, false) => fault(
            "contract",
            "it is named a contraction: it begins with `-- contract: since <release>: <why nobody uses it any more>`",
        ),
        (false, _) if reason.is_some() => {
            fault("contract", "it says that it contracts: it is named `<version>_contract_<object>.sql`");
        }
        _ => {}
    }
    if migration.text.starts_with(NO_TRANSACTION) {
        let index = |words: &[&str]| statements.iter().any(|statement| statement.begins(words));
        let alone = statements.len() == 1;
        let repeatable = migration.text.to_lowercase().contains(" if not exists ")
            && (index(&["CREATE", "INDEX", "CONCURRENTLY"]) || index(&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"]))
            || migration.text.to_lowercase().contains(" if exists ") && index(&["DROP", "INDEX", "CONCURRENTLY"]);
        if !alone || !repeatable {
            fault(
                "no-transaction",
                "without a transaction a migration is one statement that can be repeated: `create index concurrently if \
                 not exists …` or `drop index concurrently if exists …`",
            );
        }
    }
    faults
}

/// What may not be done in one transaction with what locks a table.
fn company(migration: &Migration, schema: &Schema, statements: &[Read]) -> Option<Fault> {
    let known = |table: &ObjectName| schema.has_table(migration.context(), table);
    let is_long = |operation: &Operation| matches!(operation, Operation::ValidateConstraint { .. });
    let parsed = || statements.iter().filter_map(|statement| statement.parsed.as_ref().ok());
    let locks = parsed().any(|statement| match statement {
        Statement::AlterTable(alter) => known(&alter.name) && !alter.operations.iter().all(is_long),
        _ => false,
    });
    let lasts = parsed().any(|statement| match statement {
        Statement::AlterTable(alter) => known(&alter.name) && alter.operations.iter().any(is_long),
        Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Insert(_)
        | Statement::Merge(_)
        | Statement::Query(_) => true,
        Statement::CreateTable(table) => table.query.is_some(),
        Statement::CreateView(view) => view.materialized,
        _ => false,
    });
    (locks && lasts).then(|| {
        let what = "it alters a table and does what takes long in one transaction, so that the lock lasts: two files";
        Fault(Kind::HoldsUp, "lock-lasts", what.to_owned())
    })
}

struct Checker<'a> {
    migration: &'a Migration,
    schema: &'a mut Schema,
}

impl Checker<'_> {
    fn known(&self, table: &ObjectName) -> bool {
        self.schema.has_table(self.migration.context(), table)
    }

    fn statement(&mut self, read: &Read) -> Vec<Fault> {
        let text = read.words.join(" ").to_lowercase();
        let one = |kind, rule, what: String| vec![Fault(kind, rule, what)];
        for (words, rule) in [
            (&["LOCK"][..], "lock-table"),
            (&["VACUUM"], "vacuum"),
            (&["CLUSTER"], "cluster"),
            (&["REINDEX"], "reindex"),
        ] {
            if read.begins(words) {
                return one(Kind::HoldsUp, rule, format!("`{text} …` holds up everybody who uses the table"));
            }
        }
        let statement = match &read.parsed {
            Ok(statement) => statement,
            Err(error) => {
                return one(
                    Kind::Unclear,
                    "unreadable",
                    format!("`{text} …` cannot be read, so nothing is known of it: {error}"),
                );
            }
        };
        match statement {
            Statement::AlterTable(alter) if self.known(&alter.name) => self.alter(alter),
            Statement::CreateIndex(index) if self.known(&index.table_name) => self.index(index),
            Statement::CreateTable(table) => self.table(table),
            Statement::CreateView(view) => self.view(view),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Query(query) => self.query(&Effects::of(query.as_ref())),
            Statement::CreateTrigger(trigger) if !self.known(&trigger.table_name) => Vec::new(),
            Statement::CreateTrigger(_) => one(
                Kind::Breaks,
                "new-trigger",
                "a trigger on a table that the release before writes runs for it too".to_owned(),
            ),
            Statement::CreateFunction(function) if function.or_replace => one(
                Kind::Breaks,
                "replaced-function",
                format!("`{}` changes for the release before too", function.name),
            ),
            Statement::Drop { object_type, names, .. } => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                let what = format!(
                    "the release before may use {} {}",
                    object_type.to_string().to_lowercase(),
                    names.join(", ")
                );
                one(Kind::Breaks, "drop", what)
            }
            Statement::DropFunction(_)
            | Statement::DropTrigger(_)
            | Statement::DropProcedure { .. }
            | Statement::DropDomain(_)
            | Statement::DropExtension(_) => {
                one(Kind::Breaks, "drop", format!("the release before may use what `{text}` takes"))
            }
            Statement::Revoke(_) => {
                one(Kind::Breaks, "revoke", "the release before may use the right that is taken".to_owned())
            }
            Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) | Statement::Truncate(_) => {
                vec![long_write()]
            }
            Statement::AlterTable(_)
            | Statement::CreateIndex(_)
            | Statement::CreateFunction(_)
            | Statement::CreateType { .. }
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateExtension(_)
            | Statement::Comment { .. }
            | Statement::Grant(_) => Vec::new(),
            _ => one(Kind::Unclear, "unknown", format!("of `{text} …` it is not known that it does no harm")),
        }
    }

    /// The first table of the release before among those that are read.
    fn read<'a>(&self, effects: &'a Effects) -> Option<&'a ObjectName> {
        effects.reads.iter().find(|table| self.known(table))
    }

    fn table(&self, table: &CreateTable) -> Vec<Fault> {
        let keys = table.constraints.iter().filter_map(|constraint| match constraint {
            TableConstraint::ForeignKey(key) => Some(key),
            _ => None,
        });
        let own = table.columns.iter().flat_map(|column| &column.options).filter_map(|option| match &option.option {
            ColumnOption::ForeignKey(key) => Some(key),
            _ => None,
        });
        let mut faults: Vec<Fault> = keys.chain(own).filter_map(|key| self.reference(key)).collect();
        for parent in
            table.partition_of.iter().chain(table.inherits.iter().flatten()).filter(|parent| self.known(parent))
        {
            let what = format!(
                "{parent} is locked while it gets a part, and its default partition is read: a table by itself, checked, \
                 then attached"
            );
            faults.push(Fault(Kind::HoldsUp, "partition-of", what));
        }
        if let Some(query) = &table.query {
            faults.extend(self.copies(&Effects::of(query.as_ref())));
        }
        faults
    }

    fn view(&self, view: &CreateView) -> Vec<Fault> {
        let mut faults = Vec::new();
        if view.or_replace && self.schema.has_view(self.migration.context(), &view.name) {
            let what = format!(
                "{} changes for the release before too, which may miss a column or read other rows: a view of another name",
                view.name
            );
            faults.push(Fault(Kind::Breaks, "replaced-view", what));
        }
        if view.materialized {
            faults.extend(self.copies(&Effects::of(view.query.as_ref())));
        }
        faults
    }

    fn insert(&self, insert: &Insert) -> Vec<Fault> {
        let source = Effects::of_source(insert);
        let mut faults = self.copies(&source);
        if source.writes {
            faults.push(long_write());
        }
        faults.extend(source.foreign_calls().map(called));
        faults
    }

    /// A question in a migration is asked for what it does.
    fn query(&self, effects: &Effects) -> Vec<Fault> {
        let mut faults = Vec::new();
        if effects.writes {
            faults.push(long_write());
        }
        if effects.locks {
            let what = "it locks every row that it finds until the migration ends".to_owned();
            faults.push(Fault(Kind::HoldsUp, "lock-rows", what));
        }
        if effects.makes {
            faults.extend(self.copies(effects));
        }
        faults.extend(effects.calls.iter().map(called));
        faults
    }

    /// Rows made of those of a table that is full.
    fn copies(&self, effects: &Effects) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(table) = self.read(effects) {
            let what = format!(
                "all of {table} is gone through in one transaction, and what is written meanwhile is missed: services fill \
                 in batches"
            );
            faults.push(Fault(Kind::HoldsUp, "long-write", what));
        }
        faults
    }

    fn index(&self, index: &CreateIndex) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !index.concurrently {
            let what = format!("nobody writes to {} until it is built: `create index concurrently`", index.table_name);
            faults.push(Fault(Kind::HoldsUp, "index-not-concurrent", what));
        } else if !self.migration.text.starts_with(NO_TRANSACTION) {
            let what = format!("`concurrently` wants a file that begins with `{NO_TRANSACTION}`");
            faults.push(Fault(Kind::Unclear, "no-transaction", what));
        }
        if index.unique {
            let what = format!("the release before may write to {} what is not unique", index.table_name);
            faults.push(Fault(Kind::Breaks, "new-constraint", what));
        }
        faults
    }

    fn alter(&mut self, alter: &AlterTable) -> Vec<Fault> {
        alter.operations.iter().flat_map(|operation| self.operation(&alter.name, operation)).collect()
    }

    fn operation(&mut self, table: &ObjectName, operation: &Operation) -> Vec<Fault> {
        let context = self.migration.context();
        let one = |kind, rule, what: String| vec![Fault(kind, rule, what)];
        match operation {
            Operation::AddColumn { column_def, .. } => {
                self.schema.add_column(context, table, &column_def.name.value);
                let mut faults = new_column(table, column_def);
                if let DataType::Custom(name, _) = &column_def.data_type
                    && self.schema.has_domain(context, name)
                {
                    let what =
                        format!("{table} is written anew under its lock to try the rules of {name} on every row");
                    faults.push(Fault(Kind::HoldsUp, "rewrite", what));
                }
                faults
            }
            Operation::AddConstraint { constraint, not_valid } => self.constraint(table, constraint, *not_valid),
            Operation::DropColumn { column_names, .. } => {
                let names: Vec<_> = column_names.iter().map(|name| name.value.as_str()).collect();
                one(Kind::Breaks, "drop", format!("the release before uses {table}.{}", names.join(", ")))
            }
            Operation::DropConstraint { name, .. } => {
                one(Kind::Breaks, "drop", format!("the release before counts on {name} of {table}"))
            }
            Operation::RenameColumn { .. } | Operation::RenameTable { .. } | Operation::RenameConstraint { .. } => {
                one(Kind::Breaks, "rename", format!("the release before knows {table} by the old name"))
            }
            Operation::AlterColumn { column_name, op } => self.column(table, &column_name.value, op),
            Operation::ValidateConstraint { .. } | Operation::SetOptionsParens { .. } => Vec::new(),
            other => one(
                Kind::Unclear,
                "unknown",
                format!("of `alter table {table} {other}` it is not known that it does no harm"),
            ),
        }
    }

    fn column(&self, table: &ObjectName, column: &str, operation: &AlterColumnOperation) -> Vec<Fault> {
        let context = self.migration.context();
        let new = self.schema.is_new(context, table, column);
        let mut faults = Vec::new();
        let mut fault = |kind, rule, what: String| faults.push(Fault(kind, rule, what));
        match operation {
            AlterColumnOperation::SetNotNull => {
                if !self.schema.is_filled(context, table, column) {
                    fault(
                        Kind::HoldsUp,
                        "set-not-null",
                        format!(
                            "all of {table} is read under its lock, unless a validated `check ({column} is not null)` of an \
                             earlier file says that no row lacks it"
                        ),
                    );
                }
                fault(
                    Kind::Breaks,
                    "set-not-null",
                    format!("the release before may write rows without {table}.{column}"),
                );
            }
            AlterColumnOperation::DropNotNull if !new => {
                fault(Kind::Breaks, "drop-not-null", format!("the release before counts on {table}.{column}"));
            }
            AlterColumnOperation::DropDefault if !new => {
                fault(
                    Kind::Breaks,
                    "drop-default",
                    format!("the release before may leave {table}.{column} to its default"),
                );
            }
            AlterColumnOperation::SetDataType { .. } | AlterColumnOperation::AddGenerated { .. } => {
                fault(
                    Kind::HoldsUp,
                    "column-type",
                    format!(
                        "{table} is written anew under its lock, and the release before knows the old type of {column}: a new column"
                    ),
                );
            }
            _ => {}
        }
        faults
    }

    fn constraint(&self, table: &ObjectName, constraint: &TableConstraint, not_valid: bool) -> Vec<Fault> {
        let new = |column: &str| self.schema.is_new(self.migration.context(), table, column);
        let mut faults = Vec::new();
        let of_new_columns = match constraint {
            TableConstraint::Check(check) => names(&check.expr.to_string()).iter().all(|name| new(name)),
            TableConstraint::ForeignKey(key) => key.columns.iter().all(|column| new(&column.value)),
            _ => false,
        };
        if !not_valid {
            let what = format!(
                "all rows of {table} are checked under its lock: `not valid`, and `validate constraint` in a file of its own"
            );
            faults.push(Fault(Kind::HoldsUp, "constraint-validated", what));
        }
        if !of_new_columns {
            let what = format!("the release before may write to {table} what this constraint refuses");
            faults.push(Fault(Kind::Breaks, "new-constraint", what));
        }
        if let TableConstraint::ForeignKey(key) = constraint {
            faults.extend(self.reference(key));
        }
        faults
    }

    /// A key that keeps the release before from deleting what it knows.
    fn reference(&self, key: &ForeignKeyConstraint) -> Option<Fault> {
        let lets_go = matches!(
            key.on_delete,
            Some(ReferentialAction::Cascade | ReferentialAction::SetNull | ReferentialAction::SetDefault)
        );
        (self.known(&key.foreign_table) && !lets_go).then(|| {
            let what = format!(
                "the release before cannot delete from {} any more: `on delete cascade` or `set null`",
                key.foreign_table
            );
            Fault(Kind::Breaks, "new-reference", what)
        })
    }
}

fn long_write() -> Fault {
    let what = "it locks every row it touches until it has touched all: services fill in batches";
    Fault(Kind::HoldsUp, "long-write", what.to_owned())
}

fn called(function: &ObjectName) -> Fault {
    Fault(
        Kind::Unclear,
        "called-function",
        format!("what `{function}` does, and what it locks for how long, is not seen here"),
    )
}

/// A column added to a table that is full of rows.
fn new_column(table: &ObjectName, column: &ColumnDef) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |kind, rule, what: String| faults.push(Fault(kind, rule, what));
    let name = &column.name.value;
    let has = |wanted: fn(&ColumnOption) -> bool| column.options.iter().any(|option| wanted(&option.option));
    let not_null = has(|option| matches!(option, ColumnOption::NotNull));
    if not_null && !has(|option| matches!(option, ColumnOption::Default(_))) {
        let what = format!(
            "the release before writes rows without {table}.{name}, and there are some: a default, or no `not null`"
        );
        fault(Kind::Breaks, "required-column", what);
    }
    if column.data_type.to_string().to_lowercase().contains("serial") {
        fault(
            Kind::HoldsUp,
            "rewrite",
            format!("every row of {table} gets a number of its own in {name} under the lock"),
        );
    }
    for option in &column.options {
        match &option.option {
            ColumnOption::Default(value) if !constant(value) => {
                let what = format!(
                    "`{value}` is worked out for every row of {table} under the lock: a constant, or a default that is set after the column was added"
                );
                fault(Kind::HoldsUp, "rewrite", what);
            }
            ColumnOption::Generated { .. } | ColumnOption::Identity(_) => {
                fault(
                    Kind::HoldsUp,
                    "rewrite",
                    format!("{name} is worked out for every row of {table} under the lock"),
                );
            }
            ColumnOption::PrimaryKey(_) | ColumnOption::Unique(_) => {
                fault(
                    Kind::HoldsUp,
                    "index-not-concurrent",
                    format!("an index on {table}.{name} is built under the lock"),
                );
            }
            ColumnOption::Check(_) | ColumnOption::ForeignKey(_) => {
                let what = format!(
                    "all rows of {table} are checked under its lock: a constraint of its own, `not valid`, validated in a further file"
                );
                fault(Kind::HoldsUp, "constraint-validated", what);
            }
            _ => {}
        }
    }
    faults
}

/// Whether a value is the same for every row, and seen to be so.
fn constant(value: &Expr) -> bool {
    match value {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Cast { expr, .. } | Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => constant(expr),
        Expr::Array(array) => array.elem.iter().all(constant),
        _ => false,
    }
}

/// The names in an expression that may be columns: words that nobody has a keyword for, and that are not called.
fn names(expression: &str) -> Vec<String> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, expression).tokenize().unwrap_or_default();
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let called = |at: usize| tokens.get(at + 1) == Some(&Token::LParen);
    let names = tokens.iter().enumerate().filter_map(|(at, token)| match token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
        Token::Word(word) if !called(at) && !OPERATORS.contains(&word.value.to_uppercase().as_str()) => {
            Some(word.value.to_lowercase())
        }
        _ => None,
    });
    names.collect()
}

const OPERATORS: [&str; 14] =
    ["AND", "OR", "NOT", "IS", "NULL", "IN", "BETWEEN", "LIKE", "TRUE", "FALSE", "ANY", "ALL", "ARRAY", "DISTINCT"];
