//! Hostile files, and files as real programs wrote them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clientele_contracts::customers::v1::{Import, ImportKind, ListRefusedRowsRequest};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use tonic::{Code, Status};

use super::{figures, mapped, warned};
use crate::world::World;

pub(super) fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    data.is_dir().then_some(data)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_table_is_refused_with_its_reason() {
    let world = World::new().await;
    for (file, why) in [
        (Vec::new(), "empty"),
        (b"\n\n  \n".to_vec(), "no rows"),
        (vec![0; 4096], "no text"),
        (b"PK\x03\x04 and so on".to_vec(), "xlsx"),
        ("x".repeat(10 * 1024 * 1024).into_bytes(), "longer than 64 KiB"),
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
async fn long_rows_are_read_by_their_size_and_those_that_are_too_long_refused_with_their_line() {
    let world = World::new().await;
    let mut file = "order_number,date,customer_id,total,note\n".to_owned();
    let note = |letter: &str, length: usize| letter.repeat(length);
    for number in 1..=200 {
        let length = if number == 77 { 70_000 } else { 60_000 };
        let row = format!("{number},2020-01-01,{number},10.00,{}\n", note("x", length));
        file.push_str(&row);
    }
    // One whose rows together are more than anybody should hold.
    for _ in 0..150 {
        file += &["huge,2020-01-01,1,,", &note("y", 60_000), "\n"].concat();
    }
    let import = world.upload(ImportKind::Orders, packed(file.as_bytes())).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.orders_created, done.refused, done.rows], [199, 151, 350]);
    let refused = world.refused(&import.id).await;
    assert_eq!(refused[0].line, 78);
    assert!(refused[0].violations[0].description.contains("longer than 64 KiB"), "{:?}", refused[0].violations);
    let told = &refused[0].violations[0];
    assert_eq!((told.reason.as_str(), told.metadata["most_bytes"].as_str()), ("LINE_TOO_LONG", "65536"));
    assert!(refused[1].violations[0].description.contains("too long"), "{:?}", refused[1].violations);
    assert!(refused.iter().all(|row| row.values.iter().all(|value| value.len() <= 1000)));
}

#[tokio::test]
async fn of_long_values_that_are_refused_the_beginnings_are_kept_and_said_to_be_no_more() {
    let world = World::new().await;
    let long = "é".repeat(20_000);
    let file = format!("name,email,note\nAnn,nowhere,{long}\nBob,nowhere,short\n");
    let import = world.upload(ImportKind::Customers, file).await;
    world.run(&import.id).await;
    let refused = world.refused(&import.id).await;
    let reasons = |row: usize| refused[row].violations.iter().map(|v| v.reason.as_str()).collect::<Vec<_>>();
    assert_eq!((reasons(0), reasons(1)), (vec!["EMAIL_INVALID", "VALUES_CUT"], vec!["EMAIL_INVALID"]));
    assert_eq!(refused[0].values[2], "é".repeat(500));
    let download = world.refused_file(&import.id).await;
    assert!(download.len() < 4000 && download.contains("are cut here"), "{download}");
}

#[tokio::test]
async fn many_long_refused_rows_come_in_pages_that_fit_a_message() {
    let world = World::new().await;
    let columns = (0..20).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    let cells = vec!["7".repeat(1000); 20].join(",");
    let file = format!("name,email,{columns}\n{}", format!("Ann,nowhere,{cells}\n").repeat(400));
    let import = world.upload(ImportKind::Customers, file).await;
    let import = world.format(import, |format| format.has_header = true).await;
    let mut fields = vec!["name", "email"];
    fields.resize(22, "");
    let import = world.map(import, &fields).await;
    world.run(&import.id).await;
    let mut page_token = String::new();
    let (mut rows, mut pages) = (0, 0);
    loop {
        let request = ListRefusedRowsRequest { import_id: import.id.clone(), page_size: 500, page_token };
        let page = world.imports().list_refused_rows(request).await.unwrap().into_inner();
        assert!(page.encoded_len() < 3 * 1024 * 1024, "{}", page.encoded_len());
        rows += page.rows.len();
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(rows, 400);
    assert!(pages > 1);
    assert_eq!(world.refused_file(&import.id).await.lines().count(), 401, "the download has all of them");
}

#[tokio::test]
async fn people_and_goods_may_be_called_null_and_a_nul_is_no_text() {
    let world = World::new().await;
    let people = b"name,email,country\nNull,null,NULL\nAnn,ann@example.org,\\N\nB\0b,b@example.org,\n";
    let import = world.upload(ImportKind::Customers, people).await;
    let done = world.run(&import.id).await;
    assert_eq!(figures(done.progress.as_ref()), [2, 0, 0, 1]);
    assert_eq!(world.search("null").await, ["Null"]);
    let refused = world.refused(&import.id).await;
    assert_eq!((refused[0].line, refused[0].violations[0].field.as_str()), (4, "name"));

    let goods = b"order_number,date,customer_id,sku,product name,total\n1,2020-01-01,7,A,Null,1.00\n\
                  2,2020-01-01,7,A,M\0g,1.00\n3\0,2020-01-01,7,A,Mug,1.00\n";
    let import = world.upload(ImportKind::Orders, goods).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.orders_created, done.refused, done.rows], [1, 2, 3]);
    assert_eq!(world.neighbours.known().orders["1"].0.lines[0].name, "Null");
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
    let mut outcomes = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        for (kind, word) in [(ImportKind::Customers, "customers"), (ImportKind::Orders, "orders")] {
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
                    let (rows, refused) = (progress.rows, progress.refused);
                    let made = progress.created + progress.orders_created;
                    let warnings: Vec<_> = import.warnings.iter().map(|warning| warning.reason.as_str()).collect();
                    format!("{rows} rows, {made} made, {refused} refused; {}", warnings.join(" "))
                }
                Err(status) => {
                    let known = [Code::FailedPrecondition, Code::InvalidArgument];
                    assert!(known.contains(&status.code()), "{name}: {status:?}");
                    if status.message() == "the mapping lacks what is required" {
                        continue;
                    }
                    status.message().to_owned()
                }
            };
            outcomes.push(format!("{name} as {word}: {}", outcome.trim_end_matches("; ")));
        }
    }
    assert_eq!(outcomes, OUTCOMES.lines().collect::<Vec<_>>(), "{}", outcomes.join("\n"));
}

/// What becomes of the files: rows, records made and rows refused, and what is warned of. What is not here, for instance
/// reviews as orders, says of the mapping that it lacks what is required.
const OUTCOMES: &str = "\
atomic_crm_contacts_export.csv as customers: 2 rows, 1 made, 1 refused; UNEVEN_ROWS
chatwoot_with_bom.csv as customers: 1 rows, 1 made, 0 refused
mautic_contacts.csv as customers: 2 rows, 2 made, 0 refused
mautic_contacts_invalid_date.csv as customers: 1 rows, 1 made, 0 refused
olist_customers_sample.csv.gz as customers: 4000 rows, 3998 made, 0 refused
olist_order_items_sample.csv.gz as orders: 4519 rows, 3977 made, 0 refused
olist_orders_sample.csv.gz as customers: 4000 rows, 4000 made, 0 refused";

#[tokio::test]
async fn a_file_that_could_not_be_looked_at_when_it_came_is_looked_at_when_its_rows_are_wanted() {
    let world = World::new().await;
    let looked = world.upload(ImportKind::Customers, "name,email\nAnn,ann@example.org\n").await;
    // As an upload leaves it that found no place to look.
    let forget = "update customers.import set look = jsonb_set(jsonb_set(jsonb_set(look, '{columns}', '[]'),
                      '{fingerprint}', '\"\"'), '{format,encoding}', '\"\"')";
    sqlx::query(forget).execute(world.database.db.pool()).await.unwrap();
    assert!(world.import(&looked.id).await.columns.is_empty());
    let refused = world.try_start(&looked.id, false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    assert_eq!(world.preview(&looked.id).await.rows[0].understood["name"], "Ann");
    let late = world.import(&looked.id).await;
    assert_eq!((mapped(&late), &late.format), (mapped(&looked), &looked.format));
    assert_eq!(world.run(&looked.id).await.progress.unwrap().created, 1);
}
