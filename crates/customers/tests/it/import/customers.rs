//! Rows that are customers.

use clientele_contracts::customers::v1::{ImportDelimiter, ImportKind, ImportState, ListCustomersRequest};
use tonic::Code;

use super::{figures, mapped, warned};
use crate::world::{World, assert_invalid, email, fields, named, reason};

const PEOPLE: &str = "\u{feff}Имя;Фамилия;E-mail;Телефон;Дата регистрации\n\
                      Юлия;Иванова;yulia@example.org;+7 912 345-67-89;31.12.2020\n\
                      José;Muñoz;jose@example.org;;01.02.2021\n\
                      Nobody;;not an address;;yesterday\n";

#[tokio::test]
async fn a_file_is_understood_tried_and_brought_in() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, PEOPLE).await;
    assert_eq!(mapped(&import), ["first_name", "last_name", "email", "phone", "registered_at"]);
    let format = import.format.clone().unwrap();
    assert_eq!((format.encoding.as_str(), format.delimiter()), ("UTF-8", ImportDelimiter::Semicolon));
    assert_eq!((format.date_format.as_str(), import.state()), ("", ImportState::Ready));
    // Two dates of three are dates: too few to be sure of the way they are written.
    let import = world.format(import, |format| format.date_format = "%d.%m.%Y".into()).await;

    let preview = world.preview(&import.id).await;
    assert_eq!(preview.rows[0].understood["registered_at"], "2020-12-31T00:00:00Z");
    assert_eq!((preview.rows[2].line, preview.missing.len()), (4, 0));
    let wrong: Vec<_> = preview.rows[2].violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(wrong, ["registered_at", "email"]);

    let tried = world.trial(&import.id).await;
    assert_eq!(figures(tried.trial.as_ref()), [2, 0, 0, 1]);
    assert!(world.list(ListCustomersRequest::default()).await.customers.is_empty(), "a trial run writes nothing");

    let done = world.run(&import.id).await;
    assert_eq!(figures(done.progress.as_ref()), [2, 0, 0, 1]);
    assert_eq!(done.progress.unwrap().rows, 3);
    assert_eq!(world.search("yulia").await, ["Юлия Иванова"]);
    let refused = world.refused(&import.id).await;
    assert_eq!((refused.len(), refused[0].line), (1, 4));
    let file = world.refused_file(&import.id).await;
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(lines[0], "\u{feff}line,field,reason,Имя,Фамилия,E-mail,Телефон,Дата регистрации");
    assert!(lines[1].starts_with("4,registered_at; email,") && lines[1].contains("not an address"), "{file}");
}

#[tokio::test]
async fn the_same_file_once_more_changes_nothing_whether_or_not_its_rows_have_ids() {
    let world = World::new().await;
    for file in ["id,name,email\n1,Ann,ann@example.org\n2,Bob,\n", "name,email\nCid,cid@example.org\nDot,\nDot,\n"] {
        let first = world.upload(ImportKind::Customers, file).await;
        let rows = i64::try_from(file.lines().count()).unwrap() - 1;
        assert_eq!(figures(world.run(&first.id).await.progress.as_ref()), [rows, 0, 0, 0], "{file}");
        let again = world.upload(ImportKind::Customers, file).await;
        assert_eq!(figures(world.trial(&again.id).await.trial.as_ref()), [0, 0, rows, 0], "{file}");
        assert_eq!(figures(world.run(&again.id).await.progress.as_ref()), [0, 0, rows, 0], "{file}");
    }
}

#[tokio::test]
async fn a_row_without_id_is_the_one_customer_who_has_its_contacts_or_a_new_one() {
    let world = World::new().await;
    let mut ann = named("Ann");
    ann.emails = vec![email("ann@example.org")];
    world.create(ann).await;
    for name in ["Bob", "Bobby"] {
        let mut bob = named(name);
        bob.emails = vec![email("bob@example.org")];
        world.create(bob).await;
    }
    let file = "name,email,country\nAnn,ANN@example.org,Spain\nRob,bob@example.org,Spain\n,only@example.org,\nZoe,zoe@example.org,\nZoe,zoe@example.org,Peru\n";
    let import = world.upload(ImportKind::Customers, file).await;
    let tried = world.trial(&import.id).await;
    assert_eq!(figures(tried.trial.as_ref()), [3, 1, 0, 0]);
    assert_eq!(warned(&tried), ["SEVERAL_MATCHES"]);
    let done = world.run(&import.id).await;
    assert_eq!(figures(done.progress.as_ref()), [3, 1, 0, 0]);
    assert_eq!(world.search("ann@example.org").await, ["Ann"]);
    assert_eq!(world.search("bob@example.org").await, ["Bob", "Bobby", "Rob"]);
    assert_eq!(
        world.search("only@example.org").await,
        ["only@example.org"],
        "who has no name is called by the address"
    );
    assert_eq!(world.search("zoe").await, ["Zoe"]);
}

#[tokio::test]
async fn each_person_sees_their_own_imports_and_who_may_sees_all() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, "name\nAnn\nBob\n").await;
    let stranger = |permissions: &[&str]| {
        let token = world.harness.issuer.token(
            clientele_kernel::ActorKind::User,
            "01900000-0000-7000-8000-000000000099",
            permissions,
        );
        clientele_contracts::customers::v1::imports_client::ImportsClient::new(
            world.harness.client_as("customers", &token),
        )
    };
    let get = || clientele_contracts::customers::v1::GetImportRequest { id: import.id.clone() };
    let list = clientele_contracts::customers::v1::ListImportsRequest::default;
    let mut other = stranger(&["customers.customer.import"]);
    assert_eq!(other.get_import(get()).await.unwrap_err().code(), Code::NotFound);
    assert!(other.list_imports(list()).await.unwrap().into_inner().imports.is_empty());
    let mut reader = stranger(&["customers.customer.import", "customers.import.read_all"]);
    assert_eq!(reader.get_import(get()).await.unwrap().into_inner().id, import.id);
    assert_eq!(reader.list_imports(list()).await.unwrap().into_inner().imports.len(), 1);
    let start = clientele_contracts::customers::v1::StartImportRequest { id: import.id.clone(), trial: true };
    assert_eq!(reader.start_import(start).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn what_is_said_of_a_file_is_checked_and_what_is_missing_is_named() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, "a,b\nx,y\nz,w\n").await;
    assert_eq!(warned(&import), ["HEADER_UNSURE"]);
    let refused = world.try_start(&import.id, false).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused), fields(&refused)),
        (Code::FailedPrecondition, "IMPORT_STATE".into(), vec!["columns".into()])
    );

    let mut wrong = import.clone();
    wrong.columns[0].field = "nonsense".into();
    assert_invalid(world.change(wrong, &["columns"]).await, "import.columns[0].field");
    assert_invalid(world.try_map(import.clone(), &["name", "name"]).await, "import.columns[1].field");
    for (field, spoil) in [
        (
            "encoding",
            (|format| format.encoding = "klingon".into()) as fn(&mut clientele_contracts::customers::v1::ImportFormat),
        ),
        ("date_format", |format| format.date_format = "%H".into()),
        ("time_zone", |format| format.time_zone = "Madrid".into()),
        ("currency", |format| format.currency = "Pounds".into()),
        ("decimal_separator", |format| format.decimal_separator = ";".into()),
    ] {
        let mut wrong = import.clone();
        spoil(wrong.format.as_mut().unwrap());
        assert_invalid(world.change(wrong, &["format"]).await, &format!("import.format.{field}"));
    }
    let import = world.map(import, &["name", ""]).await;
    let stale = world
        .change(clientele_contracts::customers::v1::Import { etag: "1".into(), ..import.clone() }, &["source"])
        .await;
    assert_eq!(stale.unwrap_err().code(), Code::Aborted);
    assert_eq!(figures(world.run(&import.id).await.progress.as_ref()), [2, 0, 0, 0]);
    assert_eq!(world.try_start(&import.id, false).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_file_read_another_way_is_looked_at_anew() {
    let world = World::new().await;
    let (bytes, ..) = encoding_rs::WINDOWS_1251.encode("Имя,Почта\nЮлия Иванова,yulia@example.org\n");
    let import = world.upload(ImportKind::Customers, &bytes).await;
    assert!(warned(&import).contains(&"ENCODING_UNSURE"));
    let import = world.format(import, |format| format.encoding = "windows-1251".into()).await;
    assert_eq!((import.columns[0].name.as_str(), import.columns[0].samples[0].as_str()), ("Имя", "Юлия Иванова"));
    let import = world.format(import, |format| format.has_header = false).await;
    assert_eq!(import.columns[0].name, "Column 1");
}
