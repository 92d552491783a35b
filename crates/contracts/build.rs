//! Compiles `proto/` without a system `protoc`: message types, clients and servers, and the descriptor set that REST,
//! OpenAPI, reflection and the permission layer are derived from.

use std::path::{Path, PathBuf};
use std::{env, fs};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root.join("clientele"), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;

    // The prost type of a descriptor set drops extensions, so `google.api.http` and our own options would be lost:
    // the bytes are written as the compiler has them.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("clientele.descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let mut messages = tonic_prost_build::Config::new();
    messages.enable_type_names();
    tonic_prost_build::configure()
        .build_transport(false)
        .type_attribute(".", "#[allow(missing_docs)]")
        // Packages outside `clientele` are not generated: `lib.rs` has the one message that is used.
        .extern_path(".google.api", "crate::google::api")
        .compile_fds_with_config(compiler.file_descriptor_set(), messages)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
