//! The images of all programs: what is in them, and that a program runs there as nobody, on files that it cannot change.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clientele_embedded::scratch_dir;
use clientele_testkit::eventually_within;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::house::{built, free_port};
use crate::rest::http;

const USER: u32 = 65_532;
const STARTING: Duration = Duration::from_mins(1);

/// What an image may have besides its program: the libraries of the system, and who is trusted.
const SYSTEM: u64 = 16 << 20;
/// The program that is started in its image, and not only asked for its version.
const STARTED: &str = "clientele-customers";

/// Makes the image of a program from what the tests run, and gives its digest and its size in bytes.
fn make(program: &str, into: &Path) -> (String, u64) {
    let output = Command::new(built("xtask"))
        .args(["image", "--built", "--profile", "dev", "--tag", "9.9.9", "--into"])
        .args([into.as_os_str(), program.as_ref()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("CARGO_MANIFEST_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/xtask"))
        .env("CARGO_TARGET_DIR", built(program).parent().and_then(Path::parent).expect("programs are in target/debug"))
        .output()
        .expect("xtask runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("it prints text");
    let line = said.lines().find(|line| line.starts_with(&format!("{program}:9.9.9 sha256:"))).unwrap_or_default();
    let mut words = line.split_whitespace().skip(1);
    let digest = words.next().unwrap_or_else(|| panic!("no digest of {program}: {said}")).to_owned();
    (digest, words.next().and_then(|size| size.parse().ok()).unwrap_or_else(|| panic!("no size of {program}: {said}")))
}

/// The programs that `cargo xtask image` makes images of.
pub(crate) fn programs() -> Vec<String> {
    let help = Command::new(built("xtask")).args(["image", "--help"]).output().expect("xtask runs");
    let help = String::from_utf8_lossy(&help.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let named = help.split("[possible values: ").nth(1).and_then(|rest| rest.split(']').next());
    named.expect("it names them").split(", ").map(str::to_owned).collect()
}

/// An image, unpacked as those who run containers do it.
struct Unpacked {
    config: Value,
    root: PathBuf,
    files: BTreeSet<String>,
}

fn unpack(archive: &Path, into: &Path) -> Unpacked {
    let layout = into.join("layout");
    fs::create_dir_all(&layout).expect("the folder is writable");
    tar::Archive::new(fs::File::open(archive).expect("the image is there")).unpack(&layout).expect("it is a tar");
    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).expect("it is there")).expect("JSON") };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().expect("text").strip_prefix("sha256:").expect("a hash");
        layout.join("blobs/sha256").join(digest)
    };
    let index = json(&layout.join("index.json"));
    let manifest = json(&blob(&index["manifests"][0]));
    let root = into.join("root");
    let mut files = BTreeSet::new();
    for layer in manifest["layers"].as_array().expect("there are layers") {
        let file = fs::File::open(blob(layer)).expect("the layer is there");
        let content: Box<dyn std::io::Read> = match layer["mediaType"].as_str() {
            Some("application/vnd.oci.image.layer.v1.tar") => Box::new(file),
            Some("application/vnd.oci.image.layer.v1.tar+gzip") => Box::new(GzDecoder::new(file)),
            other => panic!("a layer of type {other:?}"),
        };
        for entry in tar::Archive::new(content).entries().expect("a layer is a tar") {
            let mut entry = entry.expect("a layer is whole");
            let path = entry.path().expect("a path").into_owned();
            let header = entry.header();
            let mode = header.mode().expect("a mode");
            assert_eq!(mode & 0o7222, 0, "{} can be changed, or raises rights", path.display());
            assert_eq!((header.uid().expect("an owner"), header.mtime().expect("a time")), (0, 0));
            let place = root.join(&path);
            if header.entry_type().is_dir() {
                fs::create_dir_all(&place).expect("the folder is writable");
            } else {
                fs::create_dir_all(place.parent().expect("a file is in a folder")).expect("the folder is writable");
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("a layer is whole");
                fs::write(&place, content).expect("the folder is writable");
                fs::set_permissions(&place, fs::Permissions::from_mode(mode)).expect("it is ours");
                files.insert(path.display().to_string());
            }
        }
    }
    Unpacked { config: json(&blob(&manifest["config"])), root, files }
}

#[tokio::test]
async fn every_program_runs_in_its_image_as_nobody_and_there_is_no_shell_in_it() {
    clientele_platform::install_crypto();
    let programs = programs();
    assert_eq!(programs.len(), 8, "{programs:?}");
    for program in &programs {
        // One at a time: they are large as the tests build them.
        let folder = scratch_dir().expect("the temporary folder is writable");
        let (digest, size) = make(program, folder.path());
        let archive = folder.path().join(format!("{program}.tar"));
        assert_eq!(fs::metadata(&archive).expect("the image is there").len(), size);
        if program == STARTED {
            assert_eq!(make(program, folder.path()).0, digest, "the same files give another image");
        }
        let own = fs::metadata(built(program)).expect("the program is there").len();
        assert!((own..own + SYSTEM).contains(&size), "{program}: an image of {size} for a program of {own} bytes");
        let image = unpack(&archive, folder.path());
        fs::remove_file(archive).expect("it is ours");
        looks_right(program, &image);
        // The libraries it needs are there, and it may run.
        let told = within(&image.root, program).arg("--version").output().expect("the image can be run");
        assert!(told.status.success(), "{program}: {}", String::from_utf8_lossy(&told.stderr));
        assert!(String::from_utf8_lossy(&told.stdout).contains(env!("CARGO_PKG_VERSION")), "{program}: {told:?}");
        if program == STARTED {
            it_serves(program, &image).await;
        }
    }
}

fn looks_right(program: &str, image: &Unpacked) {
    let config = &image.config["config"];
    assert_eq!(config["User"], format!("{USER}:{USER}"));
    assert_eq!(config["Entrypoint"], serde_json::json!([format!("/usr/bin/{program}")]));
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], "9.9.9");
    // The program, what its loader loads, and four files to read: nothing that runs anything else.
    let known = ["etc/group", "etc/nsswitch.conf", "etc/passwd", "etc/ssl/certs/ca-certificates.crt"];
    let mut others: Vec<_> = image.files.iter().filter(|file| !known.contains(&file.as_str())).collect();
    assert_eq!(image.files.len() - others.len(), known.len(), "{:?}", image.files);
    others.retain(|file| !file.contains("lib") || !file.contains(".so"));
    assert_eq!(others, [&format!("usr/bin/{program}")]);
}

async fn it_serves(program: &str, image: &Unpacked) {
    // Names are looked up through what the image has; the runtime brings the file.
    fs::write(image.root.join("etc/hosts"), "127.0.0.1 clientele-identity\n").expect("the folder is writable");
    let (port, metrics) = (free_port(), free_port());
    let mut running = start(&image.root, program, port, metrics);
    let client = http(None);
    let address = format!("http://127.0.0.1:{metrics}/livez");
    eventually_within(STARTING, "the service's answer", || {
        let ended = running.0.try_wait().expect("a child can be waited for");
        assert!(ended.is_none(), "the service has ended: {ended:?}");
        let asked = client.get(&address).send();
        async move { asked.await.ok().filter(|answer| answer.status() == 200) }
    })
    .await;
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).expect("the process is there");
    if nix::unistd::geteuid().is_root() {
        assert!(status.contains(&format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}")), "{status}");
    }
    // It has no database to be ready for, and says so.
    let ready = client.get(format!("http://127.0.0.1:{metrics}/readyz")).send().await.expect("it answers");
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.expect("text").contains("schema"));
}

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program with the image as its whole world. Who is not root runs it in a user namespace.
fn within(root: &Path, program: &str) -> Command {
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={USER}:{USER}")).arg("--groups=").arg(root);
        command
    } else {
        let mut command = Command::new("unshare");
        command.arg("--user").arg(format!("--map-user={USER}")).arg(format!("--map-group={USER}"));
        command.arg("--root").arg(root).arg("--wd=/");
        command
    };
    command.arg(format!("/usr/bin/{program}")).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

fn start(root: &Path, program: &str, port: u16, metrics: u16) -> Running {
    let mut command = within(root, program);
    command.env("CLIENTELE_SERVER__LISTEN", format!("127.0.0.1:{port}"));
    command.env("CLIENTELE_SERVER__METRICS_LISTEN", format!("127.0.0.1:{metrics}"));
    command.env("CLIENTELE_SECRETS__MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    command.env("CLIENTELE_SECRETS__SERVICE_SECRET", "thirty-two characters and some more of them");
    command.env("CLIENTELE_SERVICES__IDENTITY", "http://clientele-identity:7101");
    command.env("CLIENTELE_DATABASE__URL", "postgres://clientele_customers_runtime@127.0.0.1:1/clientele");
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    Running(command.spawn().expect("the image can be run"))
}
