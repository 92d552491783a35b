//! Hostile files, and files as real programs wrote them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clientele_contracts::customers::v1::{Import, ImportKind};
use flate2::Compression;
use flate2::write::GzEncoder;
use tonic::{Code, Status};

use super::{figures, mapped, warned};
use crate::world::World;

pub(super) fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    data.is_dir().then_some(data)
}

#[tokio::test]
async fn a_file_that_is_no_table_is_refused_with_its_reason() {
    let world = World::new().await;
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for (file, why) in [
        (Vec::new(), "empty"),
        (b"\n\n  \n".to_vec(), "no rows"),
        (vec![0; 4096], "no text"),
        (b"PK\x03\x04 and so on".to_vec(), "xlsx"),
        ("x".repeat(10 * 1024 * 1024).into_bytes(), "longer than 1 MiB"),
        (",".repeat(5000).into_bytes(), "2000 columns"),
        (packed(&vec![b'\n'; 150_000_000]), "unpacked"),
        (packed(b"name\nAnn\n")[..20].to_vec(), "cut short"),
    ] {
        let refused = world.try_upload(ImportKind::Customers, &file).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{why}");
        assert!(refused.message().contains(why), "{why}: {}", refused.message());
    }
}

#[tokio::test]
async fn a_hostile_file_is_read_as_far_as_it_makes_sense() {
    let world = World::new().await;
    let utf16: Vec<u8> =
        "\u{feff}name;email\nJosé;jose@example.org\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (file, wanted) in [
        (utf16, [1, 0, 0, 0]),
        (b"name,email\rAnn,a@example.org\r\nBob,b@example.org\nCid,c@example.org".to_vec(), [3, 0, 0, 0]),
        (b"name,email\n\"Ann,a1@example.org\nBob,b1@example.org\n".to_vec(), [1, 0, 0, 1]),
        (b"name,email\nA\0nn,a2@example.org\nBob,b2@example.org\n".to_vec(), [1, 0, 0, 1]),
        (b"name,email\nAnn\nBob,b3@example.org,x\nCid,c3@example.org,,\n".to_vec(), [1, 0, 0, 2]),
        (b"name,email\nA\xffnn,a4@example.org\nB\xc3\xb6b,b4@example.org\n".to_vec(), [2, 0, 0, 0]),
    ] {
        let import = world.upload(ImportKind::Customers, &file).await;
        assert_eq!(mapped(&import), ["name", "email"]);
        assert_eq!(figures(world.run(&import.id).await.progress.as_ref()), wanted, "{:?}", warned(&import));
    }
}

#[tokio::test]
async fn a_file_of_one_byte_has_nothing_to_run() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, "x").await;
    assert_eq!(world.try_start(&import.id, true).await.unwrap_err().code(), Code::FailedPrecondition);
    assert!(!world.preview(&import.id).await.missing.is_empty());
}

#[tokio::test]
async fn an_upload_begun_anew_takes_the_place_of_the_one_before() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, "name\nAnn\n").await;
    let again = world.try_upload_to(&import.id, b"name,email\nBob,bob@example.org\n").await.unwrap();
    assert_eq!((again.size_bytes, again.columns.len()), (31, 2));
    let spoiled = world.try_upload_to(&import.id, b"%PDF-1.7").await.unwrap_err();
    assert_eq!(spoiled.code(), Code::InvalidArgument);
    assert_eq!(figures(world.run(&import.id).await.progress.as_ref()), [1, 0, 0, 0], "the one before is still there");
    assert_eq!(world.try_upload_to(&import.id, b"name\n").await.unwrap_err().code(), Code::FailedPrecondition);
}

/// Runs a file by the mapping that is suggested; what it lacks where it cannot run.
async fn brought_in(world: &World, kind: ImportKind, file: &Path) -> Result<Import, Status> {
    let mut import = world.try_upload(kind, &fs::read(file).unwrap()).await?;
    if kind == ImportKind::Orders {
        import = world.format(import, |format| format.currency = "EUR".into()).await;
    }
    // What is in doubt is said to be right as it was found.
    import = world.format(import, |_| {}).await;
    let tried = world.try_start(&import.id, true).await?;
    world.ended(&tried.id, clientele_contracts::customers::v1::ImportState::Ready).await;
    Ok(world.run(&import.id).await)
}

#[tokio::test]
async fn every_file_of_real_programs_gives_a_right_import_or_a_clear_error() {
    let Some(data) = data() else { return };
    let world = World::new().await;
    let mut files: Vec<PathBuf> = ["crm_formats/csv", "crm_formats/messy", "olist"]
        .iter()
        .flat_map(|folder| fs::read_dir(data.join(folder)).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    let mut outcomes = std::collections::BTreeMap::new();
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        for kind in [ImportKind::Customers, ImportKind::Orders] {
            // The trial and the run agree on what they count.
            let outcome = match brought_in(&world, kind, file).await {
                Ok(import) => {
                    let (trial, progress) = (import.trial.unwrap(), import.progress.unwrap());
                    assert_eq!(
                        (trial.rows, trial.refused, trial.created),
                        (progress.rows, progress.refused, progress.created),
                        "{name}"
                    );
                    assert_eq!(progress.rows, progress.total_rows, "{name}");
                    Some([progress.rows, progress.created, progress.refused, progress.orders_created])
                }
                Err(status) => {
                    let known = [Code::FailedPrecondition, Code::InvalidArgument];
                    assert!(known.contains(&status.code()), "{name}: {status:?}");
                    None
                }
            };
            outcomes.insert((name.clone(), kind == ImportKind::Orders), outcome);
        }
    }
    let of = |name: &str, orders: bool| outcomes[&(name.to_owned(), orders)];
    assert_eq!(of("chatwoot_with_bom.csv", false), Some([1, 1, 0, 0]));
    assert_eq!(of("mautic_contacts.csv", false), Some([2, 2, 0, 0]));
    assert_eq!(of("olist_customers_sample.csv.gz", false), Some([4000, 3998, 0, 0]));
    assert_eq!(
        of("olist_order_items_sample.csv.gz", true).map(|found| (found[0], found[2], found[3])),
        Some((4519, 0, 3977))
    );
    assert_eq!(of("olist_order_reviews_sample.csv.gz", true), None, "reviews are no orders");
    assert_eq!(of("spanish_chars.csv", true), None);
    assert_eq!(of("null.csv", false), None);
}
