//! Who may call whom, by the network policies.

use std::collections::BTreeSet;

use serde_json::Value;

use super::render::{Pod, list, of_kind};

/// From one part to another at a port.
pub(super) type Arrow = (String, String, u64);

/// Every arrow between pods that the policies let through, at both of its ends.
pub(super) fn allowed(objects: &[Value], pods: &[Pod<'_>]) -> BTreeSet<Arrow> {
    let policies: Vec<_> = of_kind(objects, "NetworkPolicy").collect();
    let mut arrows = BTreeSet::new();
    for from in pods {
        for to in pods {
            for port in list(to.container, "/ports") {
                let port = port["containerPort"].as_u64().expect("a port is a number");
                let out = lets_through(&policies, from, "/spec/egress", "to", to, to, port);
                let into = lets_through(&policies, to, "/spec/ingress", "from", from, to, port);
                if out && into {
                    arrows.insert((from.part().to_owned(), to.part().to_owned(), port));
                }
            }
        }
    }
    arrows
}

/// Whether a policy over one pod lets it speak with another pod at a port of the one that is called.
fn lets_through(
    policies: &[&Value],
    over: &Pod<'_>,
    rules: &str,
    peers: &str,
    other: &Pod<'_>,
    called: &Pod<'_>,
    port: u64,
) -> bool {
    let chosen = policies.iter().filter(|policy| over.is_chosen_by(&policy["spec"]["podSelector"]));
    chosen.flat_map(|policy| list(policy, rules)).any(|rule| {
        let ports = list(rule, "/ports");
        let named = list(rule, &format!("/{peers}"));
        let peer = named.is_empty()
            || named.iter().any(|peer| {
                peer.get("namespaceSelector").is_none()
                    && peer.get("podSelector").is_some_and(|selector| other.is_chosen_by(selector))
            });
        // A rule for any peer that names ports is for those outside.
        let open = ports.iter().any(|wanted| called.port(&wanted["port"]) == Some(port));
        peer && open
    })
}
