//! Who may call a method, as its `clientele.platform.v1.access` option says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

use crate::DESCRIPTORS;

/// Who may call a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody, signed in or not.
    Public,
    /// Any caller with a valid token.
    SignedIn,
    /// A caller whose token carries this permission.
    Permission(String),
}

/// The descriptor pool of everything under `proto/`, with the well-known error details added so that a
/// `google.rpc.Status` can be printed.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::decode(DESCRIPTORS).expect("the build wrote these descriptors");
    pool.decode_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET).expect("tonic-types ships valid descriptors");
    pool
});

static RULES: LazyLock<BTreeMap<String, Access>> =
    LazyLock::new(|| methods().filter_map(|(path, method)| Some((path, of_method(&option(&method)?)?))).collect());

static ALSO: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    methods()
        .filter_map(|(path, method)| Some((path, further(&option(&method)?))))
        .filter(|(_, further)| !further.is_empty())
        .collect()
});

/// Who may call the method of this gRPC path, `/package.Service/Method`; `None` for a method that does not exist or
/// does not say, which nobody may call.
pub fn of_path(path: &str) -> Option<&'static Access> {
    RULES.get(path)
}

/// Every method's gRPC path and who may call it, sorted by path.
pub fn rules() -> &'static BTreeMap<String, Access> {
    &RULES
}

/// The further permissions that the method of this gRPC path asks about while it works, for a part of what it does; the
/// guard does not.
pub fn also(path: &str) -> &'static [String] {
    ALSO.get(path).map_or(&[], Vec::as_slice)
}

/// Every permission that some method needs or asks about besides, sorted, with the paths of these methods.
pub fn permissions() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, access) in RULES.iter() {
        let needed = if let Access::Permission(name) = access { Some(name) } else { None };
        for name in needed.into_iter().chain(also(path)) {
            found.entry(name).or_default().push(path);
        }
    }
    found
}

/// Every method with its gRPC path.
fn methods() -> impl Iterator<Item = (String, MethodDescriptor)> {
    POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>()).map(|method| {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        (path, method)
    })
}

/// What the method's option says, where it has one.
fn option(method: &MethodDescriptor) -> Option<DynamicMessage> {
    let extension = POOL.get_extension_by_name("clientele.platform.v1.access")?;
    let options: DynamicMessage = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}

fn further(message: &DynamicMessage) -> Vec<String> {
    let names = message.get_field_by_name("also");
    let names = names.as_deref().and_then(Value::as_list).unwrap_or_default();
    names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn of_method(message: &DynamicMessage) -> Option<Access> {
    let flag = |name: &str| message.get_field_by_name(name).is_some_and(|v| matches!(*v, Value::Bool(true)));
    let permission = message.get_field_by_name("permission").and_then(|v| v.as_str().map(str::to_owned));
    match permission.filter(|p| !p.is_empty()) {
        Some(permission) => Some(Access::Permission(permission)),
        None if flag("public") => Some(Access::Public),
        None if flag("signed_in") => Some(Access::SignedIn),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_ours_says_who_may_call_it() {
        for service in POOL.services().filter(|s| s.full_name().starts_with("clientele.")) {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                assert!(of_path(&path).is_some(), "{path} does not declare its access");
            }
        }
    }

    #[test]
    fn a_permission_is_named_context_object_action() {
        for (name, methods) in permissions() {
            let parts: Vec<_> = name.split('.').collect();
            assert_eq!(parts.len(), 3, "{name}");
            let own = format!("/clientele.{}.v1.", parts[0]);
            assert!(methods.iter().any(|path| path.starts_with(&own)), "{name} belongs to no method: {methods:?}");
            // A method may ask about another context's permission besides, but is not kept by it.
            assert!(
                methods.iter().all(|path| path.starts_with(&own) || also(path).iter().any(|a| a == name)),
                "{name}: {methods:?}"
            );
        }
    }

    #[test]
    fn a_permission_that_a_method_only_asks_about_exists_and_keeps_nobody_out() {
        let path = "/clientele.messaging.v1.Dialogs/AssignDialog";
        assert_eq!(also(path), ["messaging.dialog.reassign"]);
        assert_eq!(of_path(path), Some(&Access::Permission("messaging.dialog.write".to_owned())));
        let known = permissions();
        assert!(known["messaging.dialog.reassign"].contains(&path));
        assert!(known["customers.import.read_all"].contains(&"/clientele.customers.v1.Imports/ListImports"));
        assert_eq!(also("/clientele.customers.v1.Customers/DropEverything"), <[String; 0]>::default());
    }

    #[test]
    fn a_method_that_does_not_exist_has_no_access_rule() {
        assert_eq!(of_path("/clientele.customers.v1.Customers/DropEverything"), None);
    }
}
