//! The objects of an overlay, as `kubectl` renders them and Kubernetes understands them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clientele_embedded::{cache_dir, ensure_python_packages, install};
use serde_json::Value;

/// Schemas of Kubernetes, with what they are read by.
const PACKAGES: &str = "\
attrs==26.1.0
importlib_resources==7.1.0
jsonschema==4.26.0
jsonschema-specifications==2025.9.1
kubernetes-validate==1.37.0
packaging==26.3
PyYAML==6.0.3
referencing==0.37.0
rpds-py==2026.9.1
typing_extensions==4.16.0
";
/// Prints objects as JSON; fails at the first that a version of Kubernetes named does not take. Of kinds that others
/// brought, Kubernetes has no schema.
const READ: &str = r#"
import json, sys, yaml, kubernetes_validate
objects = [o for o in yaml.safe_load_all(sys.stdin) if o]
for version in sys.argv[1:]:
    for o in objects:
        if o["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        try:
            kubernetes_validate.validate(o, version, strict=True)
        except Exception as e:
            sys.exit(f"{o['kind']} {o['metadata']['name']} for Kubernetes {version}: {e}")
print(json.dumps(objects))
"#;

/// Says that the manifests need not be looked at where there is no `kubectl`.
const WITHOUT: &str = "CLIENTELE_WITHOUT_KUBECTL";

/// Where the manifests are.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes")
}

/// Whether there is a `kubectl`, without which nothing here can be rendered. Panics where there is none and nobody has said
/// that this is known.
pub(super) fn kubectl() -> bool {
    let there = install::on_path("kubectl").is_some();
    let known = std::env::var_os(WITHOUT).is_some();
    assert!(
        there || known,
        "kubectl is not on this machine: install it, or set {WITHOUT}=1 to leave the manifests out"
    );
    there
}

/// Renders a folder.
pub(super) fn render(folder: &Path) -> String {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().expect("kubectl can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} cannot be rendered: {said}", folder.display());
    assert!(!said.contains("deprecated"), "{}: {said}", folder.display());
    String::from_utf8(output.stdout).expect("kubectl prints text")
}

/// The objects of a text in YAML, each of them valid for the versions of Kubernetes.
pub(super) async fn objects(text: &str, versions: &[&str]) -> Vec<Value> {
    let packages = ensure_python_packages(&cache_dir(), "kubernetes", PACKAGES).await.expect("Python and its packages");
    let mut read = packages.python();
    read.args(["-c", READ]).args(versions).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reading = read.spawn().expect("Python runs");
    let mut input = reading.stdin.take().expect("it is a pipe");
    let text = text.to_owned();
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = reading.wait_with_output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    writing.join().expect("no panic").expect("Python reads");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// Objects of a folder, without a look at schemas.
pub(super) async fn rendered(name: &str) -> Vec<Value> {
    objects(&render(&folder().join(name)), &[]).await
}

/// An overlay with components, as an operator would write it.
pub(super) fn with_components(overlay: &str, namespace: &str, components: &[String]) -> String {
    let whole = tempfile::tempdir_in(folder()).expect("the folder of the manifests is writable");
    let components: Vec<_> = components.iter().map(|component| format!("../{component}")).collect();
    let components = components.join(", ");
    let text = format!("namespace: {namespace}\nresources: [../{overlay}]\ncomponents: [{components}]\n");
    std::fs::write(whole.path().join("kustomization.yaml"), text).expect("the folder is writable");
    render(whole.path())
}

/// Text at a place, for instance `/metadata/name`.
pub(super) fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {place} of {object}"))
}

/// The list at a place; empty where there is none.
pub(super) fn list<'a>(object: &'a Value, place: &str) -> &'a [Value] {
    object.pointer(place).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

pub(super) fn named<'a>(objects: &'a [Value], kind: &'a str, wanted: &str) -> &'a Value {
    of_kind(objects, kind).find(|object| name(object) == wanted).unwrap_or_else(|| panic!("no {kind} {wanted}"))
}

/// The pods that an object starts, as one template; its one container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod<'a> {
    pub(super) owner: &'a Value,
    pub(super) template: &'a Value,
    pub(super) container: &'a Value,
}

pub(super) fn pods(objects: &[Value]) -> Vec<Pod<'_>> {
    let owners = objects.iter().filter(|object| object.pointer("/spec/template/spec/containers").is_some());
    owners
        .map(|owner| {
            let template = &owner["spec"]["template"];
            let [container] = list(template, "/spec/containers") else { panic!("{} has one container", name(owner)) };
            Pod { owner, template, container }
        })
        .collect()
}

/// Whether a selector chooses what has these labels. An empty one chooses all.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let all = selector["matchLabels"].as_object();
    let equal = all.is_none_or(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value));
    let fits = list(selector, "/matchExpressions").iter().all(|expression| {
        let label = &labels[text(expression, "/key")];
        let among = list(expression, "/values").contains(label);
        match text(expression, "/operator") {
            "In" => among,
            "NotIn" => !among,
            "Exists" => !label.is_null(),
            "DoesNotExist" => label.is_null(),
            other => panic!("Kubernetes knows no operator {other}"),
        }
    });
    equal && fits
}

impl<'a> Pod<'a> {
    /// What part of Clientele it is.
    pub(super) fn part(&self) -> &'a str {
        text(self.template, "/metadata/labels/app.kubernetes.io~1name")
    }

    /// The program of its image, which bears its name.
    pub(super) fn program(&self) -> &'a str {
        let image = text(self.container, "/image");
        image.split_once(':').map_or(image, |(name, _)| name)
    }

    pub(super) fn is_chosen_by(&self, selector: &Value) -> bool {
        selects(selector, &self.template["metadata"]["labels"])
    }

    /// The number of a port, by its name or itself.
    pub(super) fn port(&self, port: &Value) -> Option<u64> {
        let mut ports = list(self.container, "/ports").iter();
        let found = ports.find(|own| own["name"] == *port || own["containerPort"] == *port);
        found.and_then(|own| own["containerPort"].as_u64())
    }

    /// Its variables, as the container gets them.
    pub(super) fn variables(&self, objects: &[Value]) -> Vec<(String, String)> {
        let maps = list(self.container, "/envFrom").iter().filter_map(|from| from.pointer("/configMapRef/name"));
        let mut variables = Vec::new();
        for map in maps {
            let map = named(objects, "ConfigMap", map.as_str().expect("a name is text"));
            let data = map["data"].as_object().expect("a ConfigMap of variables has some");
            variables.extend(data.iter().map(|(key, value)| {
                (key.clone(), value.as_str().unwrap_or_else(|| panic!("{key} is text")).to_owned())
            }));
        }
        let own = list(self.container, "/env").iter();
        variables.extend(own.map(|own| (text(own, "/name").to_owned(), text(own, "/value").to_owned())));
        variables
    }

    /// The Secrets it mounts, and where.
    pub(super) fn secrets(&self) -> Vec<(&'a str, &'a str)> {
        let mounts = list(self.container, "/volumeMounts");
        let volumes = list(self.template, "/spec/volumes");
        let secrets = volumes.iter().filter(|volume| volume.get("secret").is_some());
        secrets
            .map(|volume| {
                let mount = mounts.iter().find(|mount| mount["name"] == volume["name"]);
                let mount = mount.unwrap_or_else(|| panic!("{} does not mount {volume}", name(self.owner)));
                (text(volume, "/secret/secretName"), text(mount, "/mountPath"))
            })
            .collect()
    }
}
