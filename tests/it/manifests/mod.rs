//! The manifests of `deploy/kubernetes`: Kubernetes takes them, their parts fit each other, and the real programs run on what
//! they say.

mod arrows;
mod render;
mod stand;

use std::collections::BTreeSet;
use std::path::Path;

use clientele_contracts::CONTEXTS;
use clientele_platform::config::{self, Loader};
use serde_json::{Value, json};

use self::render::{folder, kubectl, list, name, named, objects, of_kind, pods, render, rendered, text};
use self::stand::{Stand, secrets};
use crate::house::{GATEWAY, built};

/// What an operator applies.
const FOLDERS: [&str; 12] = [
    "namespace",
    "dev",
    "dev/standing",
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
    // With all components, those included that have to be asked for.
    let whole = tempfile::tempdir_in(folder()).expect("the folder of the manifests is writable");
    let text =
        "resources: [../prod]\ncomponents: [../components/releases, ../components/tracing, ../components/consumers]\n";
    std::fs::write(whole.path().join("kustomization.yaml"), text).expect("the folder is writable");
    let mut everything = String::new();
    for folder in FOLDERS.map(|name| folder().join(name)).iter().map(std::path::PathBuf::as_path).chain([whole.path()])
    {
        everything.push_str("---\n");
        everything.push_str(&render(folder));
    }
    let objects = objects(&everything, &VERSIONS).await;
    assert!(of_kind(&objects, "PersistentVolumeClaim").any(|claim| name(claim) == "clientele-releases"));
    for kind in ["ServiceMonitor", "PrometheusRule"] {
        assert!(of_kind(&objects, kind).next().is_some(), "no {kind}");
    }
    // What is committed holds nothing secret.
    assert!(of_kind(&objects, "Secret").next().is_none());
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
async fn both_overlays_run_the_images_that_are_made_and_say_the_same_but_where_things_are() {
    if !kubectl() {
        return;
    }
    let help = std::process::Command::new(built("xtask")).args(["image", "--help"]).output().expect("xtask runs");
    let help = String::from_utf8_lossy(&help.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let made = help.split("[possible values: ").nth(1).and_then(|rest| rest.split(']').next()).expect("it names them");
    let made: BTreeSet<_> = made.split(", ").map(str::to_owned).collect();

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
    stand.certificates_bear_the_names_of_services();
    stand.stop().await;
}
