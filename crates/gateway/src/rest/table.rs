//! Which binding a request's method and path lead to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use super::binding::{Binding, BindingError, Form};
use super::template::Segment;

/// All bindings by path.
#[derive(Debug, Default)]
pub(crate) struct Table {
    root: Node,
    bindings: Vec<Arc<Binding>>,
}

#[derive(Debug, Default)]
struct Node {
    words: HashMap<String, Node>,
    any: Option<Box<Node>>,
    ends: HashMap<Option<String>, Vec<Arc<Binding>>>,
}

/// Where a request leads.
#[derive(Debug)]
pub(crate) enum Found {
    /// To this binding, with the values of the path's variables in order.
    Binding(Arc<Binding>, Vec<String>),
    /// To a path that only these methods exist for.
    OtherMethods(BTreeSet<String>),
    /// Nowhere.
    Nothing,
}

impl Table {
    /// The table of these bindings. Two that the same request would match are an error.
    pub(crate) fn new(bindings: Vec<Binding>) -> Result<Self, BindingError> {
        let mut table = Self::default();
        for binding in bindings {
            table.insert(Arc::new(binding))?;
        }
        Ok(table)
    }

    fn insert(&mut self, binding: Arc<Binding>) -> Result<(), BindingError> {
        let mut node = &mut self.root;
        for segment in &binding.template.segments {
            node = match segment {
                Segment::Literal(word) => node.words.entry(word.clone()).or_default(),
                Segment::Variable(_) => node.any.get_or_insert_with(Box::default),
            };
        }
        let ends = node.ends.entry(binding.template.verb.clone()).or_default();
        if let Some(other) = ends.iter().find(|other| other.verb == binding.verb) {
            return Err(BindingError::clash(&binding, other));
        }
        ends.push(binding.clone());
        self.bindings.push(binding);
        Ok(())
    }

    /// All bindings, in the order of the files.
    pub(crate) fn bindings(&self) -> &[Arc<Binding>] {
        &self.bindings
    }

    /// Whether a request brings bytes of any type, and so falls under other bounds than JSON.
    pub(crate) fn is_upload(&self, method: &Method, path: &str) -> bool {
        let possible = self.bindings.iter().any(|binding| binding.form == Form::Upload && binding.verb == *method);
        possible && matches!(self.find(method, path), Found::Binding(binding, _) if binding.form == Form::Upload)
    }

    /// Looks up a path as it stands in the request, percent-encoded. A `HEAD` is a `GET` whose body is not sent.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let Some(path) = path.strip_prefix('/') else { return Found::Nothing };
        let segments: Vec<_> = path.split('/').collect();
        let mut values = Vec::new();
        let mut others = BTreeSet::new();
        match self.root.find(method, &segments, &mut values, &mut others) {
            Some(binding) => Found::Binding(binding, values),
            None if others.is_empty() => Found::Nothing,
            None => Found::OtherMethods(others),
        }
    }
}

impl Node {
    /// Words go before variables. `values` holds the variables met on the way to what is found.
    fn find(
        &self,
        method: &Method,
        segments: &[&str],
        values: &mut Vec<String>,
        others: &mut BTreeSet<String>,
    ) -> Option<Arc<Binding>> {
        let (segment, rest) = segments.split_first()?;
        if !rest.is_empty() {
            return self.step(segment, values, |node, values| node.find(method, rest, values, others));
        }
        // The colon of a verb stands as it is; one that belongs to a value may be encoded. A verb nobody knows is taken
        // for a part of the value; one that the path has is a verb, also where another method was meant.
        if let Some((text, verb)) = segment.rsplit_once(':') {
            let verb = Some(verb.to_owned());
            let mut known = false;
            let found = self.step(text, values, |node, _| {
                known |= node.ends.contains_key(&verb);
                node.end(method, verb.as_ref(), others)
            });
            if known {
                return found;
            }
        }
        self.step(segment, values, |node, _| node.end(method, None, others))
    }

    fn end(&self, method: &Method, verb: Option<&String>, others: &mut BTreeSet<String>) -> Option<Arc<Binding>> {
        let ends = self.ends.get(&verb.cloned())?;
        others.extend(ends.iter().map(|binding| binding.verb.to_string()));
        ends.iter().find(|binding| binding.verb == *method).cloned()
    }

    fn step(
        &self,
        segment: &str,
        values: &mut Vec<String>,
        mut go_on: impl FnMut(&Node, &mut Vec<String>) -> Option<Arc<Binding>>,
    ) -> Option<Arc<Binding>> {
        let text = percent_decode_str(segment).decode_utf8().ok()?;
        if let Some(found) = self.words.get(text.as_ref()).and_then(|node| go_on(node, values)) {
            return Some(found);
        }
        let node = self.any.as_ref().filter(|_| !text.is_empty())?;
        values.push(text.into_owned());
        let found = go_on(node, values);
        if found.is_none() {
            values.pop();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_contracts::access::POOL;

    fn table() -> Table {
        Table::new(Binding::all(&POOL).unwrap()).unwrap()
    }

    /// The method and the variables, or why there is none.
    fn find(method: &Method, path: &str) -> String {
        match table().find(method, path) {
            Found::Binding(binding, values) => {
                format!("{} {}", binding.method.full_name().trim_start_matches("clientele."), values.join(" "))
            }
            Found::OtherMethods(methods) => format!("only {}", methods.into_iter().collect::<Vec<_>>().join(" ")),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn every_binding_is_found_under_its_own_path() {
        let table = table();
        assert!(table.bindings().len() > 50, "{}", table.bindings().len());
        for binding in table.bindings() {
            let names: Vec<_> = binding.template.variables().enumerate().map(|(i, _)| format!("value{i}")).collect();
            let mut path = binding.template.to_openapi(&names);
            for name in &names {
                path = path.replace(&format!("{{{name}}}"), name);
            }
            let Found::Binding(hit, values) = table.find(&binding.verb, &path) else {
                panic!("{} {path} leads nowhere", binding.verb)
            };
            assert_eq!(hit.method.full_name(), binding.method.full_name(), "{path}");
            assert_eq!(values, names, "{path}");
        }
    }

    #[test]
    fn words_go_before_variables_and_verbs_before_values() {
        assert_eq!(find(&Method::GET, "/v1/customers/7"), "customers.v1.Customers.GetCustomer 7");
        assert_eq!(find(&Method::GET, "/v1/customers:batchGet"), "customers.v1.Customers.BatchGetCustomers ");
        assert_eq!(find(&Method::POST, "/v1/apiKeys/7:revoke"), "identity.v1.ApiKeys.RevokeApiKey 7");
        assert_eq!(find(&Method::GET, "/v1/customers/7:odd"), "customers.v1.Customers.GetCustomer 7:odd");
        assert_eq!(find(&Method::GET, "/v1/customers/7/card"), "gateway.v1.Cards.GetCard 7");
    }

    #[test]
    fn a_value_is_decoded_once_and_an_encoded_slash_belongs_to_it() {
        assert_eq!(find(&Method::GET, "/v1/customers/a%2Fb%2520"), "customers.v1.Customers.GetCustomer a/b%20");
        assert_eq!(find(&Method::GET, "/v1/customers/%FF"), "nothing");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in
            ["/v1", "/v1/", "/v1/customers/", "/v1//customers", "/v2/customers", "/v1/customers/7/", "v1/customers"]
        {
            assert_eq!(find(&Method::GET, path), "nothing", "{path}");
        }
    }

    #[test]
    fn a_path_that_exists_for_other_methods_names_them() {
        assert_eq!(find(&Method::DELETE, "/v1/customers/7"), "only GET PATCH");
        assert_eq!(find(&Method::GET, "/v1/orders/7:changeStatus"), "only POST");
        assert_eq!(find(&Method::POST, "/v1/customers:batchGet"), "only GET");
    }

    #[test]
    fn a_head_is_answered_like_a_get() {
        assert_eq!(find(&Method::HEAD, "/v1/customers/7"), "customers.v1.Customers.GetCustomer 7");
    }
}
