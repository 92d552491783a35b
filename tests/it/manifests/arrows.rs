//! Who may speak to whom, by the network policies, read as Kubernetes reads them: a pod that no policy chooses may do all;
//! a rule without peers is for everybody, one without ports for all ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::render::{Pod, list, of_kind, selects, text};

/// From one place to another at a port of the latter: `7100`, or `53/UDP`.
pub(super) type Arrow = (String, String, String);

/// Nobody's ports: who may reach these may reach all.
const OTHERS: [u64; 2] = [1, 31_337];
/// The network of pods, and one of machines outside.
const PODS: [u8; 2] = [10, 244];
const ELSEWHERE: [u8; 2] = [203, 0];

/// Somebody who speaks or is spoken to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    name: String,
    /// The labels of its namespace and its own; of a machine outside the cluster none.
    pod: Option<(Value, Value)>,
    /// The namespace, where its policies are known.
    known: Option<String>,
    address: IpAddr,
    ports: BTreeMap<String, Port>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    protocol: String,
    number: u64,
}

impl Place {
    /// A pod of the house.
    pub(super) fn of(pod: &Pod<'_>) -> Self {
        let space = text(pod.owner, "/metadata/namespace");
        let ports = list(pod.container, "/ports").iter().map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
            let number = port["containerPort"].as_u64().expect("a port is a number");
            (text(port, "/name").to_owned(), Port { protocol, number })
        });
        Self {
            known: Some(space.to_owned()),
            ports: ports.collect(),
            ..Self::pod(pod.part(), &named_space(space, &json!({})), &pod.template["metadata"]["labels"])
        }
    }

    /// Somebody else's pod: its name, its namespace with the labels it was given, its own labels.
    pub(super) fn foreign(name: &str, space: &str, labels: &Value, own: &Value) -> Self {
        Self::pod(name, &named_space(space, labels), own)
    }

    fn pod(name: &str, space: &Value, own: &Value) -> Self {
        let pod = Some((space.clone(), own.clone()));
        Self { name: name.to_owned(), pod, known: None, address: address(PODS, name), ports: BTreeMap::new() }
    }

    /// A machine outside the cluster.
    pub(super) fn machine(name: &str, address: Option<&str>) -> Self {
        let address = address
            .map_or_else(|| self::address(ELSEWHERE, name), |address| address.parse().expect("it is an address"));
        Self { name: name.to_owned(), pod: None, known: None, address, ports: BTreeMap::new() }
    }
}

/// Labels of a namespace, with the one that Kubernetes gives each.
fn named_space(name: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["kubernetes.io/metadata.name"] = name.into();
    labels
}

/// Some address in a network of 16 bits, another for each name.
fn address(network: [u8; 2], name: &str) -> IpAddr {
    let sum = name.bytes().fold(1_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let [high, low] = sum.to_be_bytes();
    [network[0], network[1], high, low].into()
}

pub(super) fn arrow(from: &str, to: &str, port: impl std::fmt::Display) -> Arrow {
    (from.to_owned(), to.to_owned(), port.to_string())
}

/// Every arrow between places that the policies let through, at both of its ends. Of those outside, no policies are known.
pub(super) fn allowed(objects: &[Value], places: &[Place]) -> BTreeSet<Arrow> {
    let policies: Vec<_> = of_kind(objects, "NetworkPolicy").collect();
    let ports = ports(&policies, places);
    let mut arrows = BTreeSet::new();
    for from in places {
        for to in places.iter().filter(|to| from.known.is_some() || to.known.is_some()) {
            for port in &ports {
                let out = lets_through(&policies, &Egress, from, to, to, port);
                let into = lets_through(&policies, &Ingress, to, from, to, port);
                if out && into {
                    let Port { protocol, number } = port;
                    let port = if protocol == "TCP" { number.to_string() } else { format!("{number}/{protocol}") };
                    arrows.insert((from.name.clone(), to.name.clone(), port));
                }
            }
        }
    }
    arrows
}

/// The ports to try: those that anybody has, those that a policy speaks of, and some that nobody has.
fn ports(policies: &[&Value], places: &[Place]) -> BTreeSet<Port> {
    let mut numbers: BTreeSet<u64> = OTHERS.into();
    numbers.extend(places.iter().flat_map(|place| place.ports.values()).map(|port| port.number));
    for policy in policies {
        let rules = list(policy, "/spec/ingress").iter().chain(list(policy, "/spec/egress"));
        for port in rules.flat_map(|rule| list(rule, "/ports")) {
            numbers.extend(["port", "endPort"].iter().filter_map(|key| port[key].as_u64()));
        }
    }
    let protocols = ["TCP", "UDP", "SCTP"].map(str::to_owned);
    let of = |number: u64| protocols.clone().map(|protocol| Port { protocol, number });
    numbers.into_iter().flat_map(of).collect()
}

/// A direction of policies: its name among their types, where its rules are, what their peers are called.
struct Direction(&'static str, &'static str, &'static str);

#[expect(non_upper_case_globals, reason = "they are the two values of a kind")]
const Ingress: Direction = Direction("Ingress", "/spec/ingress", "from");
#[expect(non_upper_case_globals, reason = "they are the two values of a kind")]
const Egress: Direction = Direction("Egress", "/spec/egress", "to");

impl Direction {
    /// Whether the policy speaks of this direction at all.
    fn is_of(&self, policy: &Value) -> bool {
        let types = list(policy, "/spec/policyTypes");
        if types.is_empty() {
            return self.0 == "Ingress" || policy.pointer(self.1).is_some();
        }
        types.iter().any(|of| of == self.0)
    }
}

/// Whether the policies over one place let it speak with another at a port of the one that is called.
fn lets_through(
    policies: &[&Value],
    direction: &Direction,
    over: &Place,
    other: &Place,
    called: &Place,
    port: &Port,
) -> bool {
    let (Some(space), Some((_, labels))) = (&over.known, &over.pod) else { return true };
    let mut chosen = policies.iter().filter(|policy| {
        let own = text(policy, "/metadata/namespace") == space && selects(&policy["spec"]["podSelector"], labels);
        own && direction.is_of(policy)
    });
    let mut any = false;
    let open = chosen.any(|policy| {
        any = true;
        list(policy, direction.1).iter().any(|rule| {
            let (peers, ports) = (list(rule, &format!("/{}", direction.2)), list(rule, "/ports"));
            let peer = peers.is_empty() || peers.iter().any(|peer| is_peer(peer, space, other));
            peer && (ports.is_empty() || ports.iter().any(|wanted| is_port(wanted, called, port)))
        })
    });
    open || !any
}

fn is_peer(peer: &Value, space: &str, other: &Place) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        let within = |network: &Value| {
            let network: IpNet = network.as_str().and_then(|text| text.parse().ok()).expect("it is a network");
            network.contains(&other.address)
        };
        // Of pods, too: some network plugins find them by address.
        return within(&block["cidr"]) && !list(block, "/except").iter().any(within);
    }
    let Some((spaces, own)) = &other.pod else { return false };
    let there = match peer.get("namespaceSelector") {
        Some(selector) => selects(selector, spaces),
        None => spaces["kubernetes.io/metadata.name"] == space,
    };
    there && peer.get("podSelector").is_none_or(|selector| selects(selector, own))
}

fn is_port(wanted: &Value, called: &Place, port: &Port) -> bool {
    if wanted["protocol"].as_str().unwrap_or("TCP") != port.protocol {
        return false;
    }
    match &wanted["port"] {
        Value::Null => true,
        Value::String(name) => called.ports.get(name) == Some(port),
        first => {
            let first = first.as_u64().expect("a port is a name or a number");
            let last = wanted["endPort"].as_u64().unwrap_or(first);
            (first..=last).contains(&port.number)
        }
    }
}

/// Services and whom they call, as the architecture has it.
pub(super) const CALLS: [(&str, &[&str]); 7] = [
    ("gateway", &["identity", "customers", "messaging", "orders", "campaigns", "analytics"]),
    ("identity", &[]),
    ("customers", &["identity", "messaging", "orders"]),
    ("messaging", &["identity", "customers"]),
    ("orders", &["identity", "customers"]),
    ("campaigns", &["identity", "customers", "analytics"]),
    ("analytics", &["identity", "customers", "messaging", "orders", "campaigns"]),
];

/// Everybody outside a house that a policy might speak of, and some of whom none should.
pub(super) fn outside() -> Vec<Place> {
    vec![
        Place::foreign("ingress", "ingress-nginx", &json!({"clientele-ingress": "true"}), &json!({})),
        Place::foreign("monitoring", "monitoring", &json!({}), &json!({})),
        Place::foreign("consumer", "billing", &json!({"clientele-consumer": "true"}), &json!({})),
        Place::foreign("names", "kube-system", &json!({}), &json!({"k8s-app": "kube-dns"})),
        Place::foreign("system", "kube-system", &json!({}), &json!({})),
        // Labels of pods mean nothing in another namespace.
        Place::foreign("impostor", "default", &json!({}), &json!({"app.kubernetes.io/name": "gateway"})),
        Place::machine("database server", Some("10.20.0.7")),
        Place::machine("bus server", Some("10.20.1.7")),
        Place::machine("metadata of the cloud", Some("169.254.169.254")),
        Place::machine("stranger", None),
    ]
}

/// The arrows that each house has, whatever it stands on: between its services, from the ingress, to whoever knows names,
/// to mail servers anywhere.
pub(super) fn of_every_house(pods: &[Pod<'_>]) -> BTreeSet<Arrow> {
    let mut arrows = BTreeSet::new();
    for (from, calls) in CALLS {
        arrows.extend(calls.iter().map(|to| arrow(from, to, 7100)));
    }
    for pod in pods {
        arrows.extend(["53", "53/UDP"].map(|port| arrow(pod.part(), "names", port)));
    }
    arrows.insert(arrow("ingress", "gateway", 7100));
    for place in outside() {
        arrows.extend([25, 465, 587].map(|port| arrow("messaging", &place.name, port)));
    }
    arrows
}

/// Those to the database and to the bus, where they are.
pub(super) fn to_what_it_stands_on(postgres: &str, nats: &str) -> BTreeSet<Arrow> {
    let mut arrows = BTreeSet::new();
    for (part, _) in CALLS.into_iter().chain([("migrate", &[][..])]) {
        arrows.insert(arrow(part, nats, 4222));
        if part != "gateway" {
            arrows.insert(arrow(part, postgres, 5432));
        }
    }
    arrows
}

/// Those that a component adds.
pub(super) fn of_component(component: &str) -> BTreeSet<Arrow> {
    let parts = CALLS.map(|(part, _)| part);
    match component {
        "monitoring" => parts.map(|part| arrow("monitoring", part, 9090)).into(),
        "tracing" => parts.map(|part| arrow(part, "monitoring", 4317)).into(),
        "consumers" => parts[1..].iter().map(|part| arrow("consumer", part, 7100)).collect(),
        "ingress" | "releases" => BTreeSet::new(),
        other => panic!("nobody has said whom the component {other} lets in or out"),
    }
}

#[test]
fn policies_are_read_as_kubernetes_reads_them() {
    let places = [
        Place { known: Some("own".into()), ..Place::foreign("pod", "own", &json!({}), &json!({"name": "pod"})) },
        Place::foreign("friend", "theirs", &json!({"friend": "true"}), &json!({"name": "friend"})),
        Place::machine("server", Some("10.20.0.7")),
    ];
    let of = |spec: Value| {
        let policy = json!({"kind": "NetworkPolicy", "metadata": {"name": "one", "namespace": "own"}, "spec": spec});
        let arrows = allowed(&[policy], &places);
        let mut shown: Vec<_> = arrows.into_iter().filter(|(from, to, _)| from != to).collect();
        shown.retain(|(.., port)| ["80", "82", "31337"].contains(&port.as_str()));
        shown.into_iter().map(|(from, to, port)| format!("{from} {to} {port}")).collect::<Vec<_>>().join(", ")
    };
    let all_out = "pod friend 31337, pod server 31337";
    let pod = json!({"matchLabels": {"name": "pod"}});
    let closed = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    assert_eq!(of(closed), "");
    let nobody = json!({"podSelector": {"matchLabels": {"name": "nobody"}}, "policyTypes": ["Ingress", "Egress"]});
    assert_eq!(of(nobody), format!("friend pod 31337, {all_out}, server pod 31337"));
    // Without types: the way in, and the way out only if it is spoken of.
    assert_eq!(of(json!({"podSelector": pod})), all_out);
    assert_eq!(of(json!({"podSelector": pod, "egress": []})), "");
    assert_eq!(of(json!({"podSelector": pod, "egress": [{}]})), all_out);
    let to = |peer: Value, ports: Value| {
        of(
            json!({"podSelector": pod, "policyTypes": ["Ingress", "Egress"], "egress": [{"to": [peer], "ports": ports}]}),
        )
    };
    let (web, any) = (json!([{"port": 80}]), json!([]));
    assert_eq!(to(json!({"ipBlock": {"cidr": "10.20.0.0/24"}}), web.clone()), "pod server 80");
    assert_eq!(to(json!({"ipBlock": {"cidr": "10.20.0.0/24"}}), any.clone()), "pod server 31337");
    assert_eq!(to(json!({"ipBlock": {"cidr": "10.20.0.0/24", "except": ["10.20.0.7/32"]}}), any.clone()), "");
    assert_eq!(to(json!({"ipBlock": {"cidr": "0.0.0.0/0"}}), any.clone()), all_out);
    assert_eq!(to(json!({"podSelector": {"matchLabels": {"name": "friend"}}}), any.clone()), "");
    let friend = json!({"matchExpressions": [{"key": "friend", "operator": "Exists"}]});
    assert_eq!(to(json!({"namespaceSelector": friend}), any.clone()), "pod friend 31337");
    assert_eq!(to(json!({"namespaceSelector": friend, "podSelector": pod}), any), "");
    let range = json!([{"port": 80, "endPort": 82}]);
    assert_eq!(to(json!({"namespaceSelector": friend}), range), "pod friend 80, pod friend 82");
    assert_eq!(to(json!({"namespaceSelector": friend}), json!([{"port": 80, "protocol": "UDP"}])), "");
    assert_eq!(to(json!({"namespaceSelector": friend}), json!([{"protocol": "TCP"}])), "pod friend 31337");
}
