//! Whether an expression of `PromQL` speaks of series that were seen.

use std::collections::BTreeSet;

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::{self, AggregateExpr, Expr, LabelModifier, VectorMatchCardinality, VectorSelector};

use super::exposition::{Labels, Seen};

/// The labels of what comes out of an expression, and what is wrong about it; nothing where it is right.
pub(super) fn look(text: &str, seen: &Seen) -> (BTreeSet<String>, Vec<String>) {
    let mut wrong = Vec::new();
    let labels = match parser::parse(text) {
        Ok(expression) => labels(&expression, seen, &mut wrong),
        Err(error) => {
            wrong.push(format!("cannot be read: {error}"));
            BTreeSet::new()
        }
    };
    (labels, wrong)
}

/// The labels that what comes out of an expression has; on the way, everything in it is looked at.
fn labels(expression: &Expr, seen: &Seen, wrong: &mut Vec<String>) -> BTreeSet<String> {
    match expression {
        Expr::VectorSelector(selector) => of_selector(selector, seen, wrong),
        Expr::MatrixSelector(matrix) => of_selector(&matrix.vs, seen, wrong),
        Expr::Paren(inner) => labels(&inner.expr, seen, wrong),
        Expr::Unary(inner) => labels(&inner.expr, seen, wrong),
        Expr::Subquery(inner) => labels(&inner.expr, seen, wrong),
        Expr::Aggregate(aggregate) => of_aggregate(aggregate, seen, wrong),
        Expr::Call(call) => {
            let arguments: Vec<_> = call.args.args.iter().map(|argument| labels(argument, seen, wrong)).collect();
            let mut out: BTreeSet<String> = arguments.into_iter().flatten().collect();
            match call.func.name {
                "label_replace" => {
                    let text = |at: usize| match call.args.args.get(at).map(AsRef::as_ref) {
                        Some(Expr::StringLiteral(text)) => text.val.clone(),
                        other => panic!("label_replace takes texts, not {other:?}"),
                    };
                    demand(&text(3), &out, wrong);
                    out.insert(text(1));
                }
                "histogram_quantile" => {
                    demand("le", &out, wrong);
                    out.remove("le");
                }
                _ => {}
            }
            out
        }
        Expr::Binary(binary) => {
            let (left, right) = (labels(&binary.lhs, seen, wrong), labels(&binary.rhs, seen, wrong));
            let Some(modifier) = &binary.modifier else { return left.union(&right).cloned().collect() };
            if let Some(LabelModifier::Include(on)) = &modifier.matching {
                for label in &on.labels {
                    demand(label, &left, wrong);
                    demand(label, &right, wrong);
                }
            }
            match modifier.card {
                VectorMatchCardinality::OneToMany(_) => right,
                _ => left,
            }
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => BTreeSet::new(),
        Expr::Extension(_) => panic!("PromQL has no extensions here"),
    }
}

fn of_aggregate(aggregate: &AggregateExpr, seen: &Seen, wrong: &mut Vec<String>) -> BTreeSet<String> {
    let inner = labels(&aggregate.expr, seen, wrong);
    // Chooses among series and leaves them as they are.
    if aggregate.op.to_string() == "topk" {
        return inner;
    }
    match &aggregate.modifier {
        Some(LabelModifier::Include(by)) => {
            by.labels.iter().for_each(|label| demand(label, &inner, wrong));
            by.labels.iter().cloned().collect()
        }
        Some(LabelModifier::Exclude(without)) => inner.into_iter().filter(|l| !without.labels.contains(l)).collect(),
        None => BTreeSet::new(),
    }
}

fn of_selector(selector: &VectorSelector, seen: &Seen, wrong: &mut Vec<String>) -> BTreeSet<String> {
    let name = selector.name.clone().unwrap_or_default();
    let Some(series) = seen.samples.get(&name) else {
        wrong.push(format!("nobody shows `{name}`"));
        return BTreeSet::new();
    };
    let matchers: Vec<&Matcher> = selector.matchers.matchers.iter().filter(|m| m.name != METRIC_NAME).collect();
    let all: BTreeSet<String> = series.iter().flat_map(Labels::keys).cloned().collect();
    for matcher in &matchers {
        if !all.contains(&matcher.name) {
            wrong.push(format!("`{name}` has no label `{}`, it has {all:?}", matcher.name));
        }
    }
    let value = |labels: &Labels, matcher: &Matcher| labels.get(&matcher.name).cloned().unwrap_or_default();
    if !series.iter().any(|labels| matchers.iter().all(|matcher| matcher.is_match(&value(labels, matcher)))) {
        wrong.push(format!("no series of `{name}` is chosen by {{{}}}", shown(&matchers)));
    }
    all
}

fn shown(matchers: &[&Matcher]) -> String {
    let one = |matcher: &&Matcher| {
        let operator = match &matcher.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Re(_) => "=~",
            MatchOp::NotRe(_) => "!~",
        };
        format!("{}{operator}\"{}\"", matcher.name, matcher.value)
    };
    matchers.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn demand(label: &str, there: &BTreeSet<String>, wrong: &mut Vec<String>) {
    if !there.contains(label) {
        wrong.push(format!("there is no label `{label}`, only {there:?}"));
    }
}
