//! The manifests of `deploy/kubernetes`: Kubernetes takes them, their parts fit each other, and the real programs run on what
//! they say.

mod arrows;
mod render;
mod stand;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clientele_contracts::CONTEXTS;
use clientele_platform::config::{self, Loader};
use serde_json::{Value, json};

use self::arrows::{Arrow, Place};
use self::render::{
    folder, kubectl, list, name, named, objects, of_kind, pods, render, rendered, selects, text, with_components,
};
use self::stand::{Stand, secrets};
use crate::house::{Ended, GATEWAY, run};

/// What an operator applies.
const FOLDERS: [&str; 13] = [
    "dev/namespace",
    "dev",
    "dev/standing",
    "dev/migrate",
    "dev/contract",
    "dev/restored",
    "dev/rewrap",
    "prod/namespace",
    "prod",
    "prod/migrate",
    "prod/contract",
    "prod/restored",
    "prod/rewrap",
];
/// What can be added to `prod`; `monitoring` is there already.
const COMPONENTS: [&str; 5] = ["consumers", "ingress", "monitoring", "releases", "tracing"];
/// Those of them that run something of ours.
const RUNNING: [&str; 10] = [
    "dev",
    "dev/migrate",
    "dev/contract",
    "dev/restored",
    "dev/rewrap",
    "prod",
    "prod/migrate",
    "prod/contract",
    "prod/restored",
    "prod/rewrap",
];
/// The oldest and the newest version of Kubernetes that the manifests are for.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

#[tokio::test]
async fn kubernetes_takes_every_object_of_every_overlay() {
    if !kubectl() {
        return;
    }
    let mut everything = with_everything();
    for folder in FOLDERS {
        everything.push_str("---\n");
        everything.push_str(&render(&folder_of(folder)));
    }
    let objects = objects(&everything, &VERSIONS).await;
    assert!(of_kind(&objects, "PersistentVolumeClaim").any(|claim| name(claim) == "clientele-releases"));
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        assert!(of_kind(&objects, kind).next().is_some(), "no {kind}");
    }
    // What is committed holds nothing secret.
    assert!(of_kind(&objects, "Secret").next().is_none());
}

/// The overlay `prod` with all components, those included that have to be asked for.
fn with_everything() -> String {
    let there = std::fs::read_dir(folder_of("components")).expect("there are components");
    let there: BTreeSet<_> = there.map(|entry| entry.expect("it can be read").file_name()).collect();
    assert_eq!(there, COMPONENTS.map(Into::into).into());
    let added = COMPONENTS.iter().filter(|name| **name != "monitoring").map(|name| format!("components/{name}"));
    with_components("prod", "clientele", &added.collect::<Vec<_>>())
}

fn folder_of(name: &str) -> PathBuf {
    folder().join(name)
}

#[tokio::test]
async fn each_overlay_is_in_a_namespace_of_its_own_with_all_it_has() {
    if !kubectl() {
        return;
    }
    for (overlay, space) in [("dev", "clientele-dev"), ("prod", "clientele")] {
        for name_of_folder in FOLDERS.iter().filter(|name| name.split('/').next() == Some(overlay)) {
            for object in rendered(name_of_folder).await {
                let place = if object["kind"] == "Namespace" { "/metadata/name" } else { "/metadata/namespace" };
                assert_eq!(text(&object, place), space, "{} of {name_of_folder}", name(&object));
            }
        }
    }
    for secret in secrets().await {
        assert_eq!(text(&secret, "/metadata/namespace"), "clientele-dev");
    }
    // And in another one by its name alone.
    for object in objects(&with_components("prod", "crm", &[]), &[]).await {
        let place = if object["kind"] == "Namespace" { "/metadata/name" } else { "/metadata/namespace" };
        assert_eq!(text(&object, place), "crm", "{}", name(&object));
    }
}

#[tokio::test]
async fn policies_let_through_the_arrows_of_the_architecture_and_no_others() {
    if !kubectl() {
        return;
    }
    let document = std::fs::read_to_string(folder_of("../security.md")).expect("deploy has a document");
    for (from, calls) in arrows::CALLS.into_iter().filter(|(_, calls)| (1..6).contains(&calls.len())) {
        let row = format!("\n| {from} | {} |\n", calls.join(", "));
        assert!(document.contains(&row), "deploy/security.md does not say {row}");
    }
    let look = |objects: &[Value]| {
        let pods = pods(objects);
        let places: Vec<_> = pods.iter().map(Place::of).chain(arrows::outside()).collect();
        (arrows::allowed(objects, &places), arrows::of_every_house(&pods))
    };
    for (overlay, postgres, nats) in [("dev", "postgres", "nats"), ("prod", "database server", "bus server")] {
        let (allowed, mut right) = look(&everything_of(overlay).await);
        right.extend(arrows::to_what_it_stands_on(postgres, nats));
        if overlay == "prod" {
            right.extend(arrows::of_component("monitoring"));
        }
        agree(overlay, &allowed, &right);
        // The Job has what it needs, and no more, before anything else is there.
        let mut first = rendered(&format!("{overlay}/namespace")).await;
        first.extend(rendered(&format!("{overlay}/migrate")).await);
        let (allowed, _) = look(&first);
        right.retain(|(from, to, _)| from == "migrate" && !["postgres", "nats"].contains(&to.as_str()));
        agree(&format!("{overlay}/migrate"), &allowed, &right);
    }
    let bare = |more: &[String]| with_components("base", "clientele", &[&["prod/outside".to_owned()], more].concat());
    let (without, _) = look(&objects(&bare(&[]), &[]).await);
    for component in COMPONENTS {
        let (allowed, _) = look(&objects(&bare(&[format!("components/{component}")]), &[]).await);
        assert!(allowed.is_superset(&without), "{component} takes arrows away");
        let added = allowed.difference(&without).cloned().collect();
        agree(component, &added, &arrows::of_component(component));
    }
}

#[track_caller]
fn agree(what: &str, allowed: &BTreeSet<Arrow>, right: &BTreeSet<Arrow>) {
    let too_much: Vec<_> = allowed.difference(right).collect();
    let missing: Vec<_> = right.difference(allowed).collect();
    assert!(too_much.is_empty() && missing.is_empty(), "{what}: too much: {too_much:#?}, missing: {missing:#?}");
}

#[tokio::test]
async fn prometheus_finds_a_port_of_each_part_where_its_figures_are() {
    if !kubectl() {
        return;
    }
    let objects = rendered("prod").await;
    let pods = pods(&objects);
    let mut found = BTreeSet::new();
    for monitor in of_kind(&objects, "ServiceMonitor") {
        assert!(monitor["spec"].get("namespaceSelector").is_none(), "it looks at its own namespace alone");
        let selector = &monitor["spec"]["selector"];
        let labels = |service: &Value| service["metadata"]["labels"].clone();
        for service in of_kind(&objects, "Service").filter(|service| selects(selector, &labels(service))) {
            for endpoint in list(monitor, "/spec/endpoints") {
                let port = text(endpoint, "/port");
                let ports = list(service, "/spec/ports");
                let port = ports.iter().find(|own| own["name"] == port);
                let port = port.unwrap_or_else(|| panic!("{} has no port as {endpoint} names it", name(service)));
                let chosen = json!({"matchLabels": service["spec"]["selector"]});
                let pod = pods.iter().find(|pod| pod.is_chosen_by(&chosen)).expect("a Service has pods");
                let number = pod.port(&port["targetPort"]).expect("the port of a Service is one of its pods");
                let variables = pod.variables(&objects);
                let listens = variables.iter().find(|(key, _)| key == "CLIENTELE_SERVER__METRICS_LISTEN");
                assert_eq!(listens.map(|(_, value)| value.as_str()), Some(format!("[::]:{number}").as_str()));
                assert_eq!(text(endpoint, "/path"), "/metrics");
                assert!(endpoint["scheme"].is_null(), "the port speaks plain HTTP");
                assert!(found.insert(name(service).to_owned()), "{} is read twice", name(service));
            }
        }
    }
    let parts = CONTEXTS.into_iter().chain([GATEWAY]).map(|part| format!("clientele-{part}"));
    assert_eq!(found, parts.collect());
}

#[tokio::test]
async fn the_ingress_leads_to_the_gateway_and_leaves_it_what_is_the_gateways_to_say() {
    if !kubectl() {
        return;
    }
    let objects = objects(&with_components("prod", "clientele", &["components/ingress".to_owned()]), &[]).await;
    let [ingress] = of_kind(&objects, "Ingress").collect::<Vec<_>>()[..] else { panic!("there is one Ingress") };
    let backend = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
    let service = named(&objects, "Service", text(backend, "/name"));
    assert_eq!(name(service), "clientele-gateway");
    let port = list(service, "/spec/ports").iter().find(|port| port["name"] == backend["port"]["name"]);
    assert_eq!(port.expect("the Service has the port that is named")["appProtocol"], "https");
    assert_eq!(ingress["spec"]["rules"][0]["host"], ingress["spec"]["tls"][0]["hosts"][0]);

    let said = |key: &str| text(&ingress["metadata"]["annotations"], &format!("/nginx.ingress.kubernetes.io~1{key}"));
    assert_eq!([said("backend-protocol"), said("proxy-ssl-name")], ["HTTPS", "clientele-gateway"]);
    assert_eq!([said("proxy-ssl-verify"), said("proxy-ssl-server-name")], ["on", "on"]);
    let space = text(ingress, "/metadata/namespace");
    assert_eq!(said("proxy-ssl-secret"), format!("{space}/clientele-authority"));
    assert_eq!([said("proxy-buffering"), said("proxy-request-buffering")], ["off", "off"]);
    let defaults = std::fs::read_to_string(folder_of("../../crates/gateway/default.toml")).expect("it has defaults");
    let own = Loader::new().defaults(&defaults).read().and_then(|read| read.section::<Value>(GATEWAY)).expect("TOML");
    let largest = said("proxy-body-size").strip_suffix('m').and_then(|size| size.parse::<u64>().ok());
    assert!(largest.expect("in MiB") << 20 > own["max_upload_bytes"].as_u64().expect("a number"));
    let common = settings(Vec::new()).common().expect("the defaults are right");
    for key in ["stream_heartbeat", "upload_patience"] {
        let silence = text(&own, &format!("/{key}")).strip_suffix('s').and_then(|text| text.parse::<u64>().ok());
        for patience in ["proxy-read-timeout", "proxy-send-timeout"] {
            let patience: u64 = said(patience).parse().expect("in seconds");
            assert!(patience > silence.expect("in seconds") && patience > common.server.request_deadline.as_secs());
        }
    }
}

#[tokio::test]
async fn what_names_another_object_names_one_that_is_there() {
    if !kubectl() {
        return;
    }
    let given = secrets().await;
    for overlay in RUNNING {
        let objects = rendered(overlay).await;
        let pods = pods(&objects);
        for pod in &pods {
            let owner = name(pod.owner);
            named(&objects, "ServiceAccount", text(pod.template, "/spec/serviceAccountName"));
            for (secret, _) in pod.secrets() {
                named(&given, "Secret", secret);
            }
            for from in list(pod.container, "/envFrom") {
                match from.pointer("/secretRef/name") {
                    Some(secret) => named(&given, "Secret", secret.as_str().expect("a name is text")),
                    None => named(&objects, "ConfigMap", text(from, "/configMapRef/name")),
                };
            }
            for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
                if let Some(port) = pod.container.pointer(&format!("/{kind}/httpGet/port")) {
                    assert!(pod.port(port).is_some(), "{owner} has no port {port} for its {kind}");
                }
            }
        }
        for service in of_kind(&objects, "Service") {
            let selector = json!({"matchLabels": service["spec"]["selector"]});
            let chosen: Vec<_> = pods.iter().filter(|pod| pod.is_chosen_by(&selector)).collect();
            let [pod] = chosen[..] else { panic!("{} chooses {} kinds of pods", name(service), chosen.len()) };
            assert_eq!(name(service), name(pod.owner));
            for port in list(service, "/spec/ports") {
                assert!(pod.port(&port["targetPort"]).is_some(), "{}: {port}", name(service));
            }
        }
        for deployment in of_kind(&objects, "Deployment") {
            let target = &named(&objects, "HorizontalPodAutoscaler", name(deployment))["spec"]["scaleTargetRef"];
            assert_eq!(*target, json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name(deployment)}));
            let budget = &named(&objects, "PodDisruptionBudget", name(deployment))["spec"]["selector"];
            let own = &deployment["spec"]["selector"];
            let spread: Vec<_> = list(deployment, "/spec/template/spec/topologySpreadConstraints").iter().collect();
            assert_eq!(spread.len(), 2);
            for selector in [budget, own].into_iter().chain(spread.iter().map(|spread| &spread["labelSelector"])) {
                let chosen: Vec<_> = pods.iter().filter(|pod| pod.is_chosen_by(selector)).map(|p| p.owner).collect();
                assert_eq!(chosen, [deployment], "{selector}");
            }
        }
        // An overlay's policies that choose nobody choose pods of its other folders.
        let all = everything_of(overlay.split('/').next().expect("an overlay has a name")).await;
        let all = render::pods(&all);
        for policy in of_kind(&objects, "NetworkPolicy") {
            let chosen: Vec<_> = all.iter().filter(|pod| pod.is_chosen_by(&policy["spec"]["podSelector"])).collect();
            assert!(!chosen.is_empty(), "{} chooses no pod", name(policy));
            let own = list(policy, "/spec/ingress").iter().flat_map(|rule| list(rule, "/ports"));
            for port in own {
                assert!(chosen.iter().all(|pod| pod.port(&port["port"]).is_some()), "{}: {port}", name(policy));
            }
        }
    }
}

/// All objects of the folders of an overlay.
async fn everything_of(overlay: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for folder in [overlay.to_owned(), format!("{overlay}/migrate")] {
        for object in rendered(&folder).await {
            if !all.contains(&object) {
                all.push(object);
            }
        }
    }
    all
}

#[tokio::test]
async fn every_pod_runs_as_nobody_who_matters_and_ends_in_its_time() {
    if !kubectl() {
        return;
    }
    for overlay in RUNNING {
        let objects = rendered(overlay).await;
        for pod in pods(&objects) {
            let owner = name(pod.owner);
            let (spec, container) = (&pod.template["spec"], pod.container);
            assert_eq!(spec["automountServiceAccountToken"], false, "{owner}");
            let account = named(&objects, "ServiceAccount", text(spec, "/serviceAccountName"));
            assert_eq!(account["automountServiceAccountToken"], false, "{owner}");
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{owner}");
            assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{owner}");
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{owner}");
            assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "{owner}");
            assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}), "{owner}");
            for resource in ["/resources/requests/cpu", "/resources/requests/memory", "/resources/limits/memory"] {
                text(container, resource);
            }
        }
        for deployment in of_kind(&objects, "Deployment") {
            assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
            assert!(deployment["spec"].get("replicas").is_none(), "the autoscaler says how many");
            let pod = pods(std::slice::from_ref(deployment))[0];
            let grace =
                settings(pod.variables(&objects)).common().expect("the settings are right").server.shutdown_grace;
            let number = |object: &Value, place: &str| object.pointer(place).and_then(Value::as_u64).expect("a number");
            let leaving = number(pod.container, "/lifecycle/preStop/sleep/seconds");
            let patience = number(pod.template, "/spec/terminationGracePeriodSeconds");
            assert!(patience > leaving + grace.as_secs(), "{}", name(deployment));
        }
    }
}

/// Settings as a program reads them from variables that are of no section of its own.
fn settings(variables: Vec<(String, String)>) -> config::Configuration {
    let sections = CONTEXTS.iter().chain(&[GATEWAY]).map(|context| format!("CLIENTELE_{}__", context.to_uppercase()));
    let own: Vec<_> = sections.collect();
    // No Secret is there to be read.
    let common = variables.into_iter().filter(|(key, _)| {
        let file = ["URL_FILE", "PASSWORD_FILE", "SECRET_FILE", "MASTER_KEY_FILE"].iter().any(|end| key.ends_with(end));
        !file && !own.iter().any(|section| key.starts_with(section))
    });
    Loader::new().defaults(config::DEFAULT).environment(common).read().expect("every key is known")
}

#[tokio::test]
async fn each_program_takes_every_variable_that_its_pod_has() {
    if !kubectl() {
        return;
    }
    let mut looked_at = BTreeSet::new();
    let mut all: Vec<(String, Vec<Value>)> =
        vec![("prod with all components".to_owned(), objects(&with_everything(), &[]).await)];
    for overlay in RUNNING {
        all.push((overlay.to_owned(), rendered(overlay).await));
    }
    for (overlay, objects) in &all {
        for pod in pods(objects).into_iter().filter(|pod| !["postgres", "nats"].contains(&pod.part())) {
            let mut variables = pod.variables(objects);
            if pod.part() == "messaging" {
                // What an operator takes in by taking a mark away is right, too.
                variables.extend(marked("prod/outside/messaging.env"));
            }
            looked_at.extend(variables.iter().map(|(key, _)| key.clone()));
            let told = check(&pod, variables).await;
            assert!(told.status.success(), "{} of {overlay}: {}", name(pod.owner), told.log);
        }
    }
    for key in
        ["CLIENTELE_TELEMETRY__OTLP_ENDPOINT", "CLIENTELE_GATEWAY__RELEASES_DIR", "CLIENTELE_MESSAGING__SMTP_USER"]
    {
        assert!(looked_at.contains(key), "{key} is set by nobody");
    }
    // That this finds something.
    let (_, objects) = &all[0];
    let pod = pods(objects).into_iter().find(|pod| pod.part() == "customers").expect("there are customers");
    for (key, value) in [
        ("CLIENTELE_TELEMETRY__TRACE_RATE", "0.1"),
        ("CLIENTELE_TELEMETRY__TRACE_RATIO", "often"),
        ("CLIENTELE_GATEWAY__RELEASES_DIR", "/releases"),
        ("CLIENTELE_DATABASE__POOLD", "true"),
    ] {
        let mut variables = pod.variables(objects);
        variables.push((key.to_owned(), value.to_owned()));
        let told = check(&pod, variables).await;
        assert!(!told.status.success(), "{key}={value} is taken");
    }
}

/// What a program says of its variables. There are no Secrets: of the files that are named, the names alone are looked at.
async fn check(pod: &render::Pod<'_>, variables: Vec<(String, String)>) -> Ended {
    let folder = clientele_embedded::scratch_dir().expect("the temporary folder is writable");
    let file = folder.path().join("secret");
    std::fs::write(&file, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("the folder is writable");
    let file = file.to_str().expect("the path is text");
    // A list of keys names files behind an equals sign.
    let here = |value: String| match value.split_once("/run/secrets/") {
        Some((before, _)) => format!("{before}{file}"),
        None => value,
    };
    let variables: Vec<_> = variables.into_iter().map(|(key, value)| (key, here(value))).collect();
    let mut arguments = vec!["config", "--check"];
    if pod.part() != "migrate" {
        arguments.extend(["--service", pod.part()]);
    }
    run("clientele", &arguments, &variables).await
}

/// The variables of a file that are marked as comments.
fn marked(file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder_of(file)).expect("the file is there");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let found: Vec<_> =
        lines.filter(|(key, _)| key.starts_with("CLIENTELE_")).map(|(k, v)| (k.into(), v.into())).collect();
    assert!(!found.is_empty(), "{file} marks nothing any more");
    found
}

#[tokio::test]
async fn both_overlays_run_the_images_that_are_made_and_say_the_same_but_where_things_are() {
    if !kubectl() {
        return;
    }
    let made: BTreeSet<_> = crate::images::programs().into_iter().collect();

    // What an operator fills in.
    let files = ["outside.env", "gateway.env", "messaging.env"].map(|name| folder().join("prod/outside").join(name));
    let files = files.map(|file| std::fs::read_to_string(file).expect("it says where things are")).concat();
    let outside: BTreeSet<_> = files.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();

    let mut said = Vec::new();
    for overlay in ["dev", "prod"] {
        let objects = everything_of(overlay).await;
        let ours = pods(&objects).into_iter().filter(|pod| !["postgres", "nats"].contains(&pod.part()));
        let mut images = BTreeSet::new();
        let mut variables = BTreeSet::new();
        for pod in ours {
            let (image, tag) = text(pod.container, "/image").split_once(':').expect("an image has a tag");
            assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{image} in {overlay}");
            images.insert(image.to_owned());
            let own = pod.variables(&objects);
            settings(own.clone()).common().expect("every value is one that is taken");
            let own = own.into_iter().filter(|(key, _)| !outside.contains(key));
            variables.extend(own.map(|(key, value)| (pod.part().to_owned(), key, value)));
        }
        assert_eq!(images, made, "{overlay}");
        said.push(variables);
    }
    assert_eq!(said[0], said[1]);
}

#[tokio::test]
async fn the_documents_name_every_secret_and_every_key_in_it() {
    if !kubectl() {
        return;
    }
    let document = std::fs::read_to_string(folder().join("../README.md")).expect("deploy has a document");
    let parts: Vec<_> = CONTEXTS.iter().copied().chain([GATEWAY]).collect();
    let general = |text: &str| {
        let part = parts.iter().find(|part| text.ends_with(*part) || text.starts_with(&format!("{part}-secret")));
        part.map_or_else(|| text.to_owned(), |part| text.replacen(part, "<service>", 1))
    };
    let given = secrets().await;
    for pod in pods(&everything_of("prod").await) {
        for (secret, _) in pod.secrets() {
            assert!(document.contains(&format!("`{}`", general(secret))), "{secret} is not in deploy/README.md");
            let keys = named(&given, "Secret", secret)["data"].as_object().expect("a Secret has data");
            for key in keys.keys() {
                assert!(
                    document.contains(&format!("`{}`", general(key))),
                    "{key} of {secret} is not in deploy/README.md"
                );
            }
        }
    }
}

#[test]
fn the_alerts_of_the_operator_are_those_of_prometheus() {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let object = read(&folder().join("components/monitoring/alerts.yaml"));
    let rules = read(&folder().join("../monitoring/alerts.yaml"));
    let indented: String =
        rules.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect();
    let (head, copied) = object.split_once("\nspec:\n").expect("it has a spec");
    assert!(copied == indented, "the alerts have changed; as the object says:\n{head}");
}

/// The dev overlay as its document has it set up, on this machine: Secrets, PostgreSQL, NATS, the migrations, and all parts
/// with the variables, files and arguments of their pods.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_stands_on_what_the_manifests_say() {
    if !kubectl() {
        return;
    }
    clientele_platform::install_crypto();
    let objects = everything_of("dev").await;
    let mut contract = rendered("dev/contract").await;
    contract.retain(|object| object["kind"] == "Job");
    let mut stand = Stand::build(objects, secrets().await).await;
    stand.run_job("clientele-migrate").await;
    stand.objects.extend(contract);
    stand.run_job("clientele-contract").await;
    stand.start_all();
    stand.probes_answer().await;
    stand.sign_in().await;
    stand.policies_allow_what_is_called();
    stand.certificates_are_of_their_parts_alone();
    stand.stop().await;
}
