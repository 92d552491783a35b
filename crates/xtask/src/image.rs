//! Container images, one for each program, made without a container engine: the program, the libraries it is linked with,
//! the certificate authorities of the system, and the files of `deploy/images/rootfs`. Nothing else: no shell, no package
//! manager. The same files give the same digest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use oci_spec::image::{
    ANNOTATION_LICENSES, ANNOTATION_REF_NAME, ANNOTATION_TITLE, ANNOTATION_VERSION, Arch, ConfigBuilder, Descriptor,
    DescriptorBuilder, ImageConfigurationBuilder, ImageIndexBuilder, ImageManifestBuilder, MediaType, OciLayoutBuilder,
    Os, PlatformBuilder, RootFsBuilder, Sha256Digest,
};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::{command, workspace};

/// Every program an image is made of; its image bears its name.
const PROGRAMS: [&str; 8] = [
    "clientele",
    "clientele-analytics",
    "clientele-campaigns",
    "clientele-customers",
    "clientele-gateway",
    "clientele-identity",
    "clientele-messaging",
    "clientele-orders",
];
/// The largest that an image of a release may be, in bytes: what is larger has got something that it should not have.
const LARGEST: u64 = 64 << 20;
/// The command holds every service.
const LARGEST_OF_ALL: u64 = 128 << 20;
/// Who runs in the image, as in `deploy/images/rootfs/etc/passwd`.
const USER: &str = "65532:65532";
/// Where the authorities are that the system trusts, by distribution.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// What `image` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The programs to make images of [default: all]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(PROGRAMS))]
    programs: Vec<String>,
    /// The cargo profile to build with; `dev` is quick and large
    #[arg(long, default_value = "release")]
    profile: String,
    /// Take the programs that were built before
    #[arg(long)]
    built: bool,
    /// The folder to write `<program>.tar` to [default: images in the target folder]
    #[arg(long)]
    into: Option<PathBuf>,
    /// The tag of the images [default: the version of the project]
    #[arg(long)]
    tag: Option<String>,
}

/// Builds the programs and writes an image of each.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let programs = if arguments.programs.is_empty() { PROGRAMS.map(str::to_owned).into() } else { arguments.programs };
    if !arguments.built {
        let profile = arguments.profile.as_str();
        // As the tests build them, but for the profile.
        let mut build = command::cargo(&["build", "--workspace", "--bins", "--locked", "--profile", profile]);
        command::show(&mut build).await?;
    }
    let folder = if arguments.profile == "dev" { "debug" } else { arguments.profile.as_str() };
    let built = workspace::target().join(folder);
    let into = arguments.into.unwrap_or_else(|| workspace::target().join("images"));
    fs::create_dir_all(&into).with_context(|| format!("cannot make {}", into.display()))?;
    let tag = arguments.tag.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    for program in &programs {
        let file = into.join(format!("{program}.tar"));
        let digest = image(program, &built.join(program), &tag, &file).await?;
        let size = fs::metadata(&file).with_context(|| format!("cannot look at {}", file.display()))?.len();
        println!("{program}:{tag} {digest} {size} bytes {}", file.display());
        if arguments.profile != "dev" {
            fits(program, size)?;
        }
    }
    Ok(())
}

/// Whether an image of a release is no larger than `deploy/images/README.md` says.
fn fits(program: &str, size: u64) -> anyhow::Result<()> {
    let largest = if program == PROGRAMS[0] { LARGEST_OF_ALL } else { LARGEST };
    if size > largest {
        bail!("the image of {program} has {size} bytes, more than the {largest} it may have: find out what has got in");
    }
    Ok(())
}

/// Writes the image of a program as an archive of an OCI image layout, and gives its digest.
async fn image(name: &str, program: &Path, tag: &str, file: &Path) -> anyhow::Result<String> {
    let mut system = Tree::default();
    system.folder(&workspace::root().join("deploy/images/rootfs"))?;
    system.file("etc/ssl/certs/ca-certificates.crt", &authorities()?, 0o444)?;
    for library in libraries(program).await? {
        system.file(&library.to_string_lossy(), &library, 0o555)?;
    }
    let mut own = Tree::default();
    own.file(&format!("usr/bin/{name}"), program, 0o555)?;

    let mut blobs = Blobs::default();
    let layers = [system.tar(0o555)?, own.tar(0o555)?].map(|layer| blobs.add(layer, MediaType::ImageLayer));
    let [system, own] = layers;
    let layers = vec![system?, own?];
    let (arch, os) = (architecture()?, Os::Linux);
    let labels = [(ANNOTATION_TITLE, name), (ANNOTATION_VERSION, tag), (ANNOTATION_LICENSES, "Apache-2.0")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let config = ConfigBuilder::default()
        .user(USER)
        .entrypoint(vec![format!("/usr/bin/{name}")])
        .working_dir("/")
        .labels(labels)
        .build()?;
    let content: Vec<String> = layers.iter().map(|layer| layer.digest().to_string()).collect();
    let configuration = ImageConfigurationBuilder::default()
        .architecture(arch.clone())
        .os(os.clone())
        .config(config)
        .rootfs(RootFsBuilder::default().typ("layers").diff_ids(content).build()?)
        .history(Vec::new())
        .build()?;
    let configuration = blobs.add(json(&configuration)?, MediaType::ImageConfig)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(configuration)
        .layers(layers)
        .build()?;
    let mut manifest = blobs.add(json(&manifest)?, MediaType::ImageManifest)?;
    let digest = manifest.digest().to_string();
    manifest.set_annotations(Some([(ANNOTATION_REF_NAME.to_owned(), tag.to_owned())].into()));
    manifest.set_platform(Some(PlatformBuilder::default().architecture(arch).os(os).build()?));
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(vec![manifest])
        .build()?;
    let layout = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;

    let mut archive = Tree::default();
    archive.content("oci-layout", json(&layout)?, 0o444);
    archive.content("index.json", json(&index)?, 0o444);
    for (hash, blob) in blobs.0 {
        archive.content(&format!("blobs/sha256/{hash}"), blob, 0o444);
    }
    fs::write(file, archive.tar(0o755)?).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(digest)
}

/// With its keys in order, whatever order a map gave them in: for the same digest each time.
fn json(document: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    let mut document = serde_json::to_value(document)?;
    document.sort_all_objects();
    Ok(serde_json::to_vec(&document)?)
}

fn architecture() -> anyhow::Result<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(Arch::Amd64),
        "aarch64" => Ok(Arch::ARM64),
        other => bail!("no images are made on {other}: build on x86_64 or aarch64"),
    }
}

fn authorities() -> anyhow::Result<PathBuf> {
    AUTHORITIES
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .with_context(|| format!("no certificate authorities in {}: install ca-certificates", AUTHORITIES.join(", ")))
}

/// The libraries a program is linked with, at the paths where its loader looks for them, and the loader.
async fn libraries(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut ldd = command::program("ldd", &workspace::root());
    let linked = command::read(ldd.arg(program)).await.context("images are made on Linux, of programs linked there")?;
    let mut libraries = Vec::new();
    for line in linked.lines().map(str::trim) {
        // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or `/lib64/ld-linux-x86-64.so.2 (0x…)`
        let place = line.rsplit("=> ").next().unwrap_or_default().split(" (").next().unwrap_or_default();
        if place == "not found" {
            bail!("{} is linked with what is not there: {line}", program.display());
        }
        if place.starts_with('/') {
            libraries.push(PathBuf::from(place));
        }
    }
    Ok(libraries)
}

/// What an image is made of, by its hash.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    fn add(&mut self, blob: Vec<u8>, media_type: MediaType) -> anyhow::Result<Descriptor> {
        let hash = hex::encode(Sha256::digest(&blob));
        let digest: Sha256Digest = hash.parse()?;
        let size = u64::try_from(blob.len())?;
        self.0.insert(hash, blob);
        Ok(DescriptorBuilder::default().media_type(media_type).digest(digest).size(size).build()?)
    }
}

/// Files by their paths, without a leading slash.
#[derive(Default)]
struct Tree(BTreeMap<String, (Vec<u8>, u32)>);

impl Tree {
    fn content(&mut self, path: &str, content: Vec<u8>, mode: u32) {
        self.0.insert(path.trim_start_matches('/').to_owned(), (content, mode));
    }

    fn file(&mut self, path: &str, source: &Path, mode: u32) -> anyhow::Result<()> {
        let content = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        self.content(path, content, mode);
        Ok(())
    }

    /// All files of a folder, at the same places.
    fn folder(&mut self, root: &Path) -> anyhow::Result<()> {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    self.file(&path.strip_prefix(root)?.to_string_lossy(), &path, 0o444)?;
                }
            }
        }
        Ok(())
    }

    /// The files as a tar, with the folders they need. Not compressed: what sends an image to a registry does that.
    fn tar(&self, folder_mode: u32) -> anyhow::Result<Vec<u8>> {
        let folders = self.0.keys().flat_map(|path| Path::new(path).ancestors().skip(1));
        let mut folders: Vec<_> = folders.filter(|folder| !folder.as_os_str().is_empty()).collect();
        folders.sort_unstable();
        folders.dedup();
        let mut tar = Builder::new(Vec::new());
        for folder in folders {
            tar.append_data(&mut header(EntryType::Directory, 0, folder_mode), folder, [].as_slice())?;
        }
        for (path, (content, mode)) in &self.0 {
            let mut header = header(EntryType::Regular, u64::try_from(content.len())?, *mode);
            tar.append_data(&mut header, path, content.as_slice())?;
        }
        Ok(tar.into_inner()?)
    }
}

/// Of root, who may not write it either, and of no time.
fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_has_grown_too_large_is_refused() {
        assert!(fits("clientele-orders", LARGEST).is_ok());
        assert!(fits("clientele-orders", LARGEST + 1).is_err());
        assert!(fits("clientele", LARGEST + 1).is_ok());
        assert!(fits("clientele", LARGEST_OF_ALL + 1).is_err());
    }

    #[test]
    fn the_document_tells_how_large_an_image_may_be() {
        let text = fs::read_to_string(workspace::root().join("deploy/images/README.md")).unwrap();
        for largest in [LARGEST, LARGEST_OF_ALL] {
            assert!(text.contains(&format!("{} MiB", largest >> 20)));
        }
    }
}
