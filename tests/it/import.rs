//! `clientele import orders`: files of real and of nasty rows, brought in over the public API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clientele_testkit::eventually_within;
use flate2::read::MultiGzDecoder;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::house::{Ended, Form, House, built, command, run};
use crate::rest::{Client, escaped};
use crate::shop::{CAUGHT_UP, figures_of, whole};

/// Where the real data lie beside the project; another folder can be named by this variable.
const DATA: &str = "../../shared/data";
const VARIABLE: &str = "CLIENTELE_TEST_DATA";

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_row_is_imported_by_its_rule_or_refused_with_line_field_value_and_reason() {
    let house = House::start(Form::OneProcess).await;
    let client = house.administrator().await;
    let importer = Importer::new(&house);

    let refused = house.folder().join("refused.csv");
    let refused_to = ["--refused", refused.to_str().expect("the path is text")];
    let first = importer.run("shop.csv", "shop_a.toml", "first", &refused_to).await.succeeded();
    assert_eq!(first.tally("orders"), [6, 0, 0, 0], "{}", first.output);
    assert_eq!(first.tally("credit notes"), [1, 0, 0, 0], "{}", first.output);
    assert_eq!(first.tally("customers"), [3, 0, 0, 0], "{}", first.output);
    refused_rows_are_told(&refused);
    documents_are_what_the_rules_say(&client, "shop.a").await;

    // The same again, and under no memory of the first run.
    let heads = heads(&client).await;
    let again = importer.run("shop.csv", "shop_a.toml", "second", &[]).await.succeeded();
    assert_eq!(again.tally("orders"), [0, 0, 6, 0], "{}", again.output);
    assert_eq!(again.tally("customers"), [0, 0, 3, 0], "{}", again.output);
    assert_eq!(self::heads(&client).await, heads, "importing again has changed something");

    // The same numbers from another source are other customers and other orders.
    let other = importer.run("shop.csv", "shop_b.toml", "third", &[]).await.succeeded();
    assert_eq!(other.tally("customers"), [3, 0, 0, 0], "{}", other.output);
    assert_eq!(client.get("/v1/customers").await.ok()["totalSize"], "6");
    documents_are_what_the_rules_say(&client, "shop.b").await;

    a_file_in_an_old_encoding_keeps_its_letters(&client, &importer).await;
    what_another_database_was_brought_is_brought_again(&client, &importer).await;
    what_is_wrong_as_a_whole_is_told(&importer).await;
    importer.verify().await.succeeded();
}

/// The refused rows as the importer writes them down: each with the line it stands in.
fn refused_rows_are_told(file: &Path) {
    let mut reader = csv::Reader::from_path(file).expect("refused rows are written");
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("it is CSV")).collect();
    let mut found: BTreeMap<u64, (String, String, String)> = BTreeMap::new();
    for row in &rows {
        let line = row[0].parse().expect("a line has a number");
        let told = (row[1].to_owned(), row[2].to_owned(), row[3].to_owned());
        assert!(found.insert(line, told).is_none(), "line {line} is told twice: {rows:?}");
    }
    for (line, field, value, reason) in [
        (12, "Amount", "two", "not a number"),
        (13, "Order", "1008", "line 12 is refused"),
        (14, "Date", "2026-13-01 10:00:00", "not a time"),
        (15, "", "", "3 fields"),
        (16, "Client", "7, 8", "different customers"),
        (17, "Client", "7, 8", "different customers"),
        (18, "Amount", "1", "below zero"),
        (19, "Date", "2026-03-29 02:30:00", "clocks went forward"),
        (20, "Text", "broken over two lines", "control characters"),
        (22, "Amount", "0", "zero"),
        (23, "Order", "", "empty"),
    ] {
        let (found_field, found_value, found_reason) =
            found.remove(&line).unwrap_or_else(|| panic!("line {line} is not among the refused: {rows:#?}"));
        assert_eq!(found_field, field, "line {line}: {found_reason}");
        assert!(found_value.contains(value), "line {line}: {found_value}");
        assert!(found_reason.contains(reason), "line {line}: {found_reason}");
    }
    assert!(found.is_empty(), "refused without need: {found:#?}");
}

async fn documents_are_what_the_rules_say(client: &Client, source: &str) {
    let all = client.all("/v1/orders?includeLines=true", "orders").await;
    let orders: BTreeMap<String, Value> = all
        .into_iter()
        .filter(|order| order["reference"]["source"] == source)
        .map(|order| (order["reference"]["externalId"].as_str().expect("it has a number").to_owned(), order))
        .collect();
    let numbers: Vec<_> = orders.keys().map(String::as_str).collect();
    assert_eq!(numbers, ["1001", "1002", "1003", "1005", "1007", "A1006"]);
    let kinds = |number: &str| -> Vec<String> {
        let lines = orders[number]["lines"].as_array().expect("an order has lines");
        lines.iter().map(|line| line["kind"].as_str().expect("a line has a kind").replace("LINE_KIND_", "")).collect()
    };
    let sums = |number: &str| (whole(&orders[number]["gross"]["minor"]), whole(&orders[number]["adjustment"]["minor"]));
    // An exact duplicate is a line of its own; a line that stands elsewhere in the file belongs to its order.
    assert_eq!(kinds("1001"), ["SALE", "SALE", "FREE"]);
    assert_eq!(sums("1001"), (600, 0));
    assert_eq!(orders["1001"]["placedAt"], "2026-03-02T09:10:00Z", "the earliest line, in the zone of the source");
    assert_eq!(sums("1002"), (1000, 0), "10.005 rounds to the even cent");
    assert_eq!((orders["1003"]["customerId"].as_str(), sums("1003")), (Some(""), (600, 0)));
    assert_eq!((kinds("1005"), sums("1005")), (vec!["ADJUSTMENT".to_owned()], (0, -1000)));
    assert_eq!((kinds("A1006"), sums("A1006")), (vec!["ADJUSTMENT".to_owned()], (0, -10000)));
    assert_eq!(orders["1007"]["lines"][0]["name"], "Plate, \"blue\"");
    assert_eq!(sums("1007"), (1000, 0));

    let notes = client.all("/v1/creditNotes?includeLines=true", "creditNotes").await;
    let notes: Vec<_> = notes.iter().filter(|note| note["reference"]["source"] == source).collect();
    assert_eq!(notes.len(), 1);
    assert_eq!((whole(&notes[0]["total"]["minor"]), notes[0]["orderId"].as_str()), (150, Some("")));
    assert_eq!(notes[0]["issuedAt"], "2026-03-09T08:00:00Z");
    assert_eq!(notes[0]["customerId"], orders["1001"]["customerId"]);

    // Customer 8 bought once; the write-off is neither a sale nor a refund.
    for (order, orders_that_count, gross, refunds) in
        [("1001", 1, 600, 150), ("1002", 1, 1000, 0), ("1007", 1, 1000, 0)]
    {
        let id = orders[order]["customerId"].as_str().expect("it has a customer");
        eventually_within(CAUGHT_UP, &format!("figures of the customer of {order}"), || async {
            let metrics = client.get(&format!("/v1/customers/{id}/metrics")).await.ok();
            let figures = figures_of(&metrics).remove("EUR")?;
            ((figures.orders, figures.gross, figures.refunds) == (orders_that_count, gross, refunds)).then_some(())
        })
        .await;
    }
}

async fn a_file_in_an_old_encoding_keeps_its_letters(client: &Client, importer: &Importer) {
    let read = importer.run("latin1.csv", "latin1.toml", "latin1", &[]).await.succeeded();
    assert_eq!(read.tally("orders"), [1, 0, 0, 0], "{}", read.output);
    let found = client.get(&format!("/v1/customers?filter={}", escaped("source = \"kiosk\""))).await.ok();
    assert_eq!(found["customers"][0]["country"], "España");
    assert_eq!(found["customers"][0]["references"][0]["externalId"], "Peña");
    let products = client.get(&format!("/v1/products?query={}", escaped("azucar"))).await.ok();
    assert_eq!(products["products"][0]["name"], "Caña de azúcar €");

    let text = std::fs::read_to_string(data("latin1.toml")).expect("the mapping is there");
    let wrong = importer.folder.join("utf8.toml");
    std::fs::write(&wrong, text.replace("windows-1252", "utf-8").replace("kiosk", "other")).expect("it can be written");
    let misread =
        importer.run("latin1.csv", wrong.to_str().expect("the path is text"), "misread", &[]).await.succeeded();
    assert_eq!(misread.tally("orders"), [0, 0, 0, 0], "{}", misread.output);
    assert!(
        misread.output.contains("rows: 1 read, 1 refused") && misread.output.contains("encoding"),
        "{}",
        misread.output
    );
}

/// The progress of a run that was killed, noted when another database stood behind the same address.
async fn what_another_database_was_brought_is_brought_again(client: &Client, importer: &Importer) {
    let text = std::fs::read_to_string(data("shop_a.toml")).expect("the mapping is there");
    let mapping = importer.folder.join("shop_c.toml");
    std::fs::write(&mapping, text.replace("shop.a", "shop.c")).expect("it can be written");
    let mapping = mapping.to_str().expect("the path is text");

    // Refused at the door, the importer has read the file and sent nothing.
    importer.stranger().run("shop.csv", mapping, "replaced", &[]).await;
    let kept = std::fs::read_dir(importer.folder.join("state/replaced")).expect("the state is kept");
    let kept: Vec<_> = kept.map(|entry| entry.expect("it can be listed").path()).collect();
    assert_eq!(kept.len(), 1);
    let mut progress = vec![json!({"run": "import-1"})];
    let tally = json!({"created": 0, "updated": 0, "unchanged": 0, "refused": 0});
    let ids = json!({"7": "0190a1f0-0000-7000-8000-000000000001"});
    progress.push(json!({"batch": "customers-0", "tally": tally, "ids": ids}));
    for batch in (0..64).map(|n| format!("orders-{n}-0")).chain(["products-0".to_owned()]) {
        progress.push(json!({"batch": batch, "tally": tally}));
    }
    let progress: Vec<String> = progress.iter().map(Value::to_string).collect();
    std::fs::write(kept[0].join("progress.jsonl"), progress.join("\n") + "\n").expect("it can be written");
    let refusals = kept[0].join("refused.jsonl");
    let mut refused = std::fs::read_to_string(&refusals).expect("what is refused is written down");
    refused.push_str("{\"line\":2,\"field\":\"Client\",\"value\":\"7\",\"reason\":\"refused by the other one\"}\n");
    std::fs::write(&refusals, refused).expect("it can be written");

    let told = importer.folder.join("refused_again.csv");
    let more = ["--refused", told.to_str().expect("the path is text")];
    let ended = importer.run("shop.csv", mapping, "replaced", &more).await.succeeded();
    assert_eq!(ended.tally("customers"), [3, 0, 0, 0], "{}", ended.output);
    assert_eq!(ended.tally("orders"), [6, 0, 0, 0], "{}", ended.output);
    refused_rows_are_told(&told);
    documents_are_what_the_rules_say(client, "shop.c").await;
}

async fn what_is_wrong_as_a_whole_is_told(importer: &Importer) {
    for (file, mapping, told) in [
        ("shop.csv", "latin1.toml", "Order"),
        ("shop.csv", "no-such-mapping", "no-such-mapping"),
        ("no-such-file.csv", "shop_a.toml", "no-such-file.csv"),
    ] {
        let ended = importer.run(file, mapping, "wrong", &[]).await;
        assert!(!ended.status.success() && ended.log.contains(told), "{file} with {mapping}: {ended:?}");
    }
    let ended = importer.stranger().run("shop.csv", "shop_a.toml", "stranger", &[]).await;
    assert!(!ended.status.success() && ended.log.contains("wrong login or password"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "why nothing was checked, and how long it took, are worth reading")]
async fn nine_months_of_real_invoices_come_out_to_the_penny_also_after_a_kill() {
    let folder = std::env::var_os(VARIABLE).map_or_else(|| root().join(DATA), PathBuf::from);
    let file = folder.join("online_retail/online_retail_2010-12_2011-08.csv.gz");
    if !file.exists() {
        println!("skipped: {} is not there; {VARIABLE} names the folder of the data sets", file.display());
        return;
    }
    let expected = std::fs::read(folder.join("expected_dev.json")).expect("the totals are beside the data");
    let expected: Value = serde_json::from_slice(&expected).expect("the totals are JSON");
    let expected = &expected["online_retail"];

    let house = House::start(Form::OneProcess).await;
    let client = house.administrator().await;
    let importer = Importer::new(&house);
    let file = file.to_str().expect("the path is text");

    // Killed in the middle of its orders, it goes on where it was.
    let begun = Instant::now();
    let mut killed = importer.spawn(file, "online-retail", "whole");
    eventually_within(Duration::from_mins(2), "some orders", || async {
        let orders = client.get("/v1/orders?pageSize=1").await.ok();
        (whole(&orders["totalSize"]) > 1500).then_some(())
    })
    .await;
    killed.start_kill().expect("the importer runs");
    let status = killed.wait().await.expect("the importer has ended");
    assert!(!status.success(), "the importer was done before it was killed");
    let ended = importer.run(file, "online-retail", "whole", &[]).await.succeeded();
    println!("imported in {:?}:\n{}", begun.elapsed(), ended.output);
    assert!(ended.output.contains("going on where an earlier run ended"), "{}", ended.output);
    assert!(ended.output.contains(&format!("rows: {} read, 0 refused", expected["rows"])), "{}", ended.output);
    let notes = expected["cancel_invoices"].as_i64().expect("it is a number");
    let orders = expected["invoices"].as_i64().expect("it is a number") - notes;
    let sum = |name: &str| ended.tally(name).iter().sum::<i64>();
    assert_eq!((sum("orders"), sum("credit notes")), (orders, notes));
    assert_eq!((ended.tally("orders")[3], ended.tally("credit notes")[3]), (0, 0));

    let begun = Instant::now();
    the_company_s_totals_are_right(&client, expected).await;
    println!("totals were right {:?} after the end of the import", begun.elapsed());
    the_best_customers_are_right(&client, expected).await;
    every_customer_is_right(&client, file).await;

    let begun = Instant::now();
    let heads = heads(&client).await;
    let again = importer.run(file, "online-retail", "again", &[]).await.succeeded();
    println!("imported again in {:?}", begun.elapsed());
    for (name, count) in [("orders", orders), ("credit notes", notes), ("customers", whole_of(&expected["customers"]))]
    {
        assert_eq!(again.tally(name), [0, 0, count, 0], "{name}: {}", again.output);
    }
    assert_eq!(self::heads(&client).await, heads, "importing again has changed something");

    let verified = importer.verify().await.succeeded();
    assert!(verified.output.contains("everything agrees"), "{}", verified.output);
}

async fn the_company_s_totals_are_right(client: &Client, expected: &Value) {
    let gross = pence(&expected["paid_revenue_known_customers"]);
    let sales = eventually_within(CAUGHT_UP, "the gross of the company", || async {
        let summary = client.get("/v1/reports/salesSummary").await.ok();
        let sales = summary["currencies"][0].clone();
        (whole(&sales["known"]["gross"]["minor"]) == gross
            && whole(&sales["known"]["refunds"]["minor"]) == -pence(&expected["refund_amount_known_customers"]))
        .then_some(sales)
    })
    .await;
    let money = |group: &str, name: &str| whole(&sales[group][name]["minor"]);
    assert_eq!(sales["known"]["currency"], "GBP");
    assert_eq!(whole(&sales["known"]["orders"]), whole_of(&expected["paid_orders"]));
    assert_eq!(whole(&sales["payingCustomers"]), whole_of(&expected["paying_customers"]));
    assert_eq!(whole(&sales["repeatCustomers"]), whole_of(&expected["repeat_customers"]));
    assert_eq!(money("known", "average"), 45906, "{} is told to a tenth of a penny", expected["aov_known_customers"]);
    let all = money("known", "net") + money("anonymous", "net") + whole(&sales["adjustmentMinor"]);
    assert_eq!(all, pence(&expected["total_net_amount_all_rows"]), "a line is lost, or counted twice");

    let months: BTreeMap<String, i64> = sales["months"]
        .as_array()
        .expect("there are months")
        .iter()
        .map(|month| (month["month"].as_str().expect("it has a name").to_owned(), whole(&month["gross"]["minor"])))
        .collect();
    let known = expected["revenue_by_month_known"].as_object().expect("there are months");
    assert_eq!(months, known.iter().map(|(month, gross)| (month.clone(), pence(gross))).collect());

    let customers = client.get("/v1/customers?pageSize=1").await.ok();
    assert_eq!(whole(&customers["totalSize"]), whole_of(&expected["customers"]));
}

/// Every single customer, against the file itself.
async fn every_customer_is_right(client: &Client, file: &str) {
    let books = Register::read(file);
    // A customer who bought from two countries is of the one seen first.
    for (country, count) in &books.countries() {
        let filter = escaped(&format!("country = \"{country}\""));
        let found = client.get(&format!("/v1/customers?pageSize=1&filter={filter}")).await.ok();
        assert_eq!(whole(&found["totalSize"]), *count, "{country}");
    }
    let mut numbers = BTreeMap::new();
    for customer in client.all("/v1/customers", "customers").await {
        let number = customer["references"][0]["externalId"].as_str().expect("it has a number").to_owned();
        numbers.insert(customer["id"].as_str().expect("it has an id").to_owned(), number);
    }
    let mut compared = 0;
    for entry in client.all("/v1/customerMetrics?currency=GBP", "customers").await {
        let number = &numbers[entry["customerId"].as_str().expect("it has an id")];
        let figures = &entry["figures"];
        let served =
            (whole(&figures["orders"]), whole(&figures["gross"]["minor"]), whole(&figures["refunds"]["minor"]));
        assert_eq!(served, books.figures(number), "customer {number}");
        compared += 1;
    }
    let concerned = books.customers.keys().filter(|number| books.figures(number) != (0, 0, 0)).count();
    assert!(compared >= concerned, "{concerned} customers have figures, {compared} are listed");
}

/// What the file says, summed up by nothing of ours.
#[derive(Default)]
struct Register {
    /// The country first seen, by customer.
    customers: BTreeMap<String, String>,
    /// Customer and sales of each order.
    orders: BTreeMap<String, (String, Decimal)>,
    sums: BTreeMap<String, (i64, i64, i64)>,
}

impl Register {
    fn read(file: &str) -> Self {
        let file = std::fs::File::open(file).expect("the file is there");
        let mut reader = csv::Reader::from_reader(MultiGzDecoder::new(file));
        let mut register = Self::default();
        let mut refunds: BTreeMap<String, Decimal> = BTreeMap::new();
        for row in reader.records() {
            let row = row.expect("it is CSV");
            let customer = row[6].trim_end_matches(".0");
            if customer.is_empty() {
                continue;
            }
            register.customers.entry(customer.to_owned()).or_insert_with(|| row[7].to_owned());
            let number = |text: &str| text.parse::<Decimal>().expect("it is a number");
            let (quantity, price) = (number(&row[3]), number(&row[5]));
            // Each line to the penny, half to even, as money is counted.
            let amount = (quantity * price).round_dp(2);
            if row[0].starts_with('C') {
                *refunds.entry(customer.to_owned()).or_default() -= amount;
            } else if quantity > Decimal::ZERO && price > Decimal::ZERO {
                register.orders.entry(row[0].to_owned()).or_insert((customer.to_owned(), Decimal::ZERO)).1 += amount;
            }
        }
        let pence = |amount: Decimal| i64::try_from(amount * Decimal::ONE_HUNDRED).expect("it is a small amount");
        for (customer, amount) in register.orders.values() {
            let sum = register.sums.entry(customer.clone()).or_default();
            sum.0 += 1;
            sum.1 += pence(*amount);
        }
        for (customer, amount) in refunds {
            register.sums.entry(customer).or_default().2 = pence(amount);
        }
        register
    }

    /// Orders, gross and refunds of a customer.
    fn figures(&self, number: &str) -> (i64, i64, i64) {
        self.sums.get(number).copied().unwrap_or_default()
    }

    fn countries(&self) -> BTreeMap<&str, i64> {
        let mut countries = BTreeMap::new();
        for country in self.customers.values() {
            *countries.entry(country.as_str()).or_default() += 1;
        }
        countries
    }
}

async fn the_best_customers_are_right(client: &Client, expected: &Value) {
    let listed = client.get("/v1/customerMetrics?currency=GBP&orderBy=gross%20desc&pageSize=10").await.ok();
    let mut found = Vec::new();
    for entry in listed["customers"].as_array().expect("there are customers") {
        let id = entry["customerId"].as_str().expect("it has an id");
        let customer = client.get(&format!("/v1/customers/{id}")).await.ok();
        let number = customer["references"][0]["externalId"].as_str().expect("it has a number").to_owned();
        found.push((number, whole(&entry["figures"]["orders"]), whole(&entry["figures"]["gross"]["minor"])));
    }
    let top: Vec<_> = expected["top10_customers"]
        .as_array()
        .expect("there are ten")
        .iter()
        .map(|row| {
            let number = row[0].as_str().expect("it has a number").trim_end_matches(".0").to_owned();
            (number, whole_of(&row[1]), pence(&row[2]))
        })
        .collect();
    assert_eq!(found, top);
}

/// The importer, told of a house.
#[derive(Clone)]
struct Importer {
    server: String,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Importer {
    fn new(house: &House) -> Self {
        let (login, password) = house.credentials();
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self {
            server: house.base.clone(),
            folder: house.folder().to_owned(),
            environment: vec![set("CLIENTELE_LOGIN", login), set("CLIENTELE_PASSWORD", password)],
        }
    }

    /// Imports a file of ours, or of a whole path, with the progress kept under the name of the run.
    async fn run(&self, file: &str, mapping: &str, name: &str, more: &[&str]) -> Ended {
        let arguments = self.arguments(file, mapping, name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        run("clientele", &arguments, &self.environment).await
    }

    /// The same with a wrong password.
    fn stranger(&self) -> Self {
        Self { environment: vec![("CLIENTELE_PASSWORD".to_owned(), "wrong".to_owned())], ..self.clone() }
    }

    fn spawn(&self, file: &str, mapping: &str, name: &str) -> tokio::process::Child {
        let mut command = tokio::process::Command::from(command(&built("clientele"), &self.environment));
        command.args(self.arguments(file, mapping, name)).kill_on_drop(true);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().expect("the importer can be started")
    }

    fn arguments(&self, file: &str, mapping: &str, name: &str) -> Vec<String> {
        let path = |name: &str| {
            let ours = data(name);
            if ours.exists() { ours.to_str().expect("the path is text").to_owned() } else { name.to_owned() }
        };
        let state = self.folder.join("state").join(name);
        let state = state.to_str().expect("the path is text").to_owned();
        let fixed =
            ["import", "orders", "--server", &self.server, "--state", &state, "--mapping", &path(mapping), &path(file)];
        fixed.iter().map(|argument| (*argument).to_owned()).collect()
    }

    async fn verify(&self) -> Ended {
        run("clientele", &["verify", "--server", &self.server], &self.environment).await
    }
}

impl Ended {
    /// Created, updated, unchanged, refused, as the importer reports them.
    #[track_caller]
    fn tally(&self, name: &str) -> [i64; 4] {
        let line = self.output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let line = line.unwrap_or_else(|| panic!("{name} are not reported: {}", self.output));
        let counts: Vec<i64> = line.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
        counts.try_into().unwrap_or_else(|_| panic!("{name} are reported otherwise: {line}"))
    }
}

/// Where each partition of the feeds ends.
async fn heads(client: &Client) -> Vec<Value> {
    let mut heads = Vec::new();
    for context in ["customers", "orders"] {
        for partition in 0..32 {
            let part = client.get(&format!("/v1/feeds/{context}/{partition}?pageSize=1")).await.ok();
            heads.push(json!([context, partition, part["head"]]));
        }
    }
    heads
}

/// An amount of the totals, which are floating-point numbers, in pence.
#[expect(clippy::cast_possible_truncation, reason = "it is rounded, and far below the limit")]
fn pence(amount: &Value) -> i64 {
    (amount.as_f64().expect("it is an amount") * 100.0).round() as i64
}

fn whole_of(value: &Value) -> i64 {
    value.as_i64().expect("it is a whole number")
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/import").join(name)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
