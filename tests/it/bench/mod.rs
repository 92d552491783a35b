//! What the house does in a second, beside what the parts it stands on do bare, in one run on one machine.
//!
//! `cargo xtask bench` builds optimised programs and runs this; among the tests it is ignored, for a figure is no test. Load
//! and house share the machine, and so do the bare measures and their load: the ratios tell, the rates are this machine's.
//!
//! | Module | What it measures |
//! |---|---|
//! | `card` | cards read, beside pgbench with the same statements; their cost as customers grow in number |
//! | `lists` | pages and searches of the list |
//! | `writes` | customers and orders written one by one, beside durable inserts of one row |
//! | `import` | a file brought in, beside COPY of the rows it became |
//! | `delay` | from a sale's answer to the card that shows it, beside JetStream alone |
//! | `sends` | letters, beside smtp-source and smtp-sink |
//! | `footprint` | how long a service takes to start, and what memory it holds |
//! | `fill` | customers by the hundred thousand |
//! | `bare` | pgbench |
//! | `cpu` | where processors' time goes meanwhile |

mod bare;
mod card;
mod cpu;
mod delay;
mod fill;
mod footprint;
mod import;
mod lists;
mod sends;
mod writes;

use std::time::Duration;

use crate::house::{Form, House, Options, SERVICES, built};

/// How many customers the house has at last; the growth is measured at a hundredth and a tenth of them.
const CUSTOMERS: &str = "CLIENTELE_BENCH_CUSTOMERS";
/// The measures to be taken, separated by commas; all of them where it is not set.
const ONLY: &str = "CLIENTELE_BENCH_ONLY";
/// How long each rate is measured.
const SPAN: Duration = Duration::from_secs(10);
/// How many callers there are at once.
const CALLERS: usize = 16;

/// One line of the table.
struct Measure {
    what: String,
    ours: String,
    bare: String,
    /// Ours as a part of the bare one, or whatever the goal speaks of.
    figure: String,
    /// What is wanted of the figure, and whether it is so.
    goal: Option<(&'static str, bool)>,
    /// Where processors' time went; empty where nobody looked.
    spent: String,
}

impl Measure {
    fn new(what: impl Into<String>, ours: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ours: ours.into(),
            bare: String::new(),
            figure: String::new(),
            goal: None,
            spent: String::new(),
        }
    }

    /// Rates, a second.
    fn rates(what: impl Into<String>, ours: f64, bare: f64, at_least: Option<(&'static str, f64)>) -> Self {
        let ratio = ours / bare;
        Self {
            bare: rate(bare),
            figure: format!("{:.0} %", ratio * 100.0),
            goal: at_least.map(|(text, least)| (text, ratio >= least)),
            ..Self::new(what, rate(ours))
        }
    }

    fn goal(mut self, text: &'static str, holds: bool) -> Self {
        self.goal = Some((text, holds));
        self
    }

    fn spent(mut self, spent: String) -> Self {
        self.spent = spent;
        self
    }

    fn beside(mut self, bare: impl Into<String>) -> Self {
        self.bare = bare.into();
        self
    }
}

/// The lines so far. Each is shown as soon as it is there, for all of them take long.
#[derive(Default)]
struct Table(Vec<Measure>);

impl Table {
    #[expect(clippy::print_stdout, reason = "the table is what it is for")]
    fn add(&mut self, lines: impl IntoIterator<Item = Measure>) {
        for line in lines {
            println!("{}: {} {} {}", line.what, line.ours, line.bare, line.figure);
            if !line.spent.is_empty() {
                println!("    {}", line.spent);
            }
            self.0.push(line);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: `cargo xtask bench` runs it with optimised programs"]
async fn bench() {
    let program = built("clientele");
    assert!(!program.to_string_lossy().contains("/debug/"), "optimised programs are measured: `cargo xtask bench`");
    let most: usize = std::env::var(CUSTOMERS).map_or(1_000_000, |text| text.parse().expect("a number of customers"));
    let only = std::env::var(ONLY).unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);

    let sink = sends::Sink::start().await;
    let mut settings = sends::settings(&sink);
    for limit in ["principal_rate", "principal_burst", "address_rate", "address_burst"] {
        settings.push(("gateway", limit, "1000000".to_owned()));
    }
    let log = Some("warn");
    let options = Options { settings, log, durable: true, ..Options::default() };
    let mut house = House::start_with(Form::Apart, options).await;
    let administrator = house.administrator().await;
    let permissions = administrator.get("/v1/permissions").await.ok();
    let permissions = permissions["permissions"].as_array().expect("there are permissions");
    let permissions: Vec<&str> = permissions.iter().filter_map(|permission| permission["name"].as_str()).collect();
    let client = administrator.program(&permissions).await;
    let mut table = Table::default();

    if wanted("footprint") {
        table.add(footprint::measure(&mut house).await);
    }
    // In an empty house: what is there already would be copied too.
    if wanted("import") {
        table.add([import::measure(&house, &client).await]);
    }
    if wanted("sends") {
        table.add(sends::measure(&house, &client, &sink).await);
    }
    if wanted("writes") {
        table.add(writes::measure(&house, &client).await);
    }
    if wanted("delay") {
        table.add(delay::measure(&house, &client).await);
    }
    if wanted("card") || wanted("lists") {
        let mut costs = Vec::new();
        for size in [most / 100, most / 10, most] {
            let there = fill::up_to(&client, size).await;
            fill::settle(&house).await;
            if wanted("card") {
                let (rate, spent) = card::reads(&client, &there).await;
                costs.push((size, rate, spent));
            }
            if size == most {
                if wanted("card") {
                    table.add(card::measure(&house, &client, &there, &costs).await);
                }
                if wanted("lists") {
                    table.add(lists::measure(&client, size, &there).await);
                }
            }
        }
    }
    print(&table.0);
    for service in SERVICES {
        assert!(!house.process(service).log().contains("panicked"), "{service} has panicked");
    }
}

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn print(table: &[Measure]) {
    let width = |part: fn(&Measure) -> &str, title: &str| {
        table.iter().map(|measure| part(measure).chars().count()).chain([title.len()]).max().unwrap_or_default()
    };
    let (what, ours, bare, figure) = (
        width(|measure| &measure.what, "measure"),
        width(|measure| &measure.ours, "ours"),
        width(|measure| &measure.bare, "bare"),
        width(|measure| &measure.figure, "figure"),
    );
    println!("\n{:<what$}  {:>ours$}  {:>bare$}  {:>figure$}  goal", "measure", "ours", "bare", "figure");
    for line in table {
        let goal = match line.goal {
            None => String::new(),
            Some((text, true)) => format!("{text}: holds"),
            Some((text, false)) => format!("{text}: MISSED"),
        };
        println!("{:<what$}  {:>ours$}  {:>bare$}  {:>figure$}  {goal}", line.what, line.ours, line.bare, line.figure);
    }
}

fn rate(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The value below which so many hundredths of the others lie.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let place = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// How often a second it can be done by all callers together, each doing it again as soon as it is done.
async fn repeated<F>(callers: usize, span: Duration, act: impl Fn(usize) -> F + Clone + Send + Sync + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    let begun = std::time::Instant::now();
    let working = (0..callers).map(|caller| {
        let act = act.clone();
        tokio::spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < span {
                // Callers take turns in what they ask for.
                act(caller + callers * done as usize).await;
                done += 1;
            }
            done
        })
    });
    let done = futures::future::join_all(working.collect::<Vec<_>>()).await;
    let done: u32 = done.into_iter().map(|caller| caller.expect("a caller does not panic")).sum();
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// How many were done in a span at this rate.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and small")]
fn done(rate: f64) -> usize {
    (rate * SPAN.as_secs_f64()) as usize
}
