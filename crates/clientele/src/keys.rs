//! Keys that are replaced while the house runs: the master key, and the keys that sign tokens. `deploy/keys.md` says when
//! to do what.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;

use clientele_contracts::identity::v1::{ListSigningKeysResponse, RotateSigningKeysRequest};
use clientele_kernel::{Clock, Error, SystemClock, SystemEntropy};
use clientele_platform::config::FILE_VARIABLE;
use clientele_platform::postgres::{self, Error as StorageError, Keyring, master_key};
use indicatif::ProgressBar;
use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::client::{Client, Connection as Server};
use crate::configuration::{self, Everything};
use crate::contexts::CONTEXTS;

/// What may be done with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Show what each master key still wraps
    Status(Arguments),
    /// Wrap anew under the present master key what others have wrapped; may be cut off and begun again
    Rewrap(Arguments),
    /// Make a new key for signing tokens; it takes over by itself ten minutes later
    RotateTokens {
        #[command(flatten)]
        connection: Server,
        /// End all other keys at once: for when somebody else may know them
        #[arg(long)]
        revoke: bool,
    },
}

/// Which databases are looked at, and with which master keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); `database.migration_url` names the database, `[secrets]` the master keys
    #[arg(long, env = FILE_VARIABLE)]
    config: Option<PathBuf>,
    /// This context only
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(CONTEXTS.map(|(name, _)| name)))]
    context: Option<String>,
}

/// Does it.
pub(crate) async fn run(what: What) -> Result<(), Error> {
    match what {
        What::Status(arguments) => {
            let house = House::load(&arguments)?;
            for context in contexts(&arguments) {
                let mut conn = house.connect(context).await?;
                show(context, house.present(), &found(&mut conn, context).await?);
                conn.close().await.map_err(StorageError::from)?;
            }
            Ok(())
        }
        What::Rewrap(arguments) => rewrap(&arguments).await,
        What::RotateTokens { connection, revoke } => rotate_tokens(&connection, revoke).await,
    }
}

/// Wraps anew, then says what is left, and notes which keys are done with.
async fn rewrap(arguments: &Arguments) -> Result<(), Error> {
    let house = House::load(arguments)?;
    let mut left = Vec::new();
    for context in contexts(arguments) {
        let mut conn = house.connect(context).await?;
        master_key::agree(&mut conn, &house.keyring, context).await?;
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_prefix(context);
        let mut done = master_key::rewrap(&mut conn, &house.keyring, |done| bar.set_position(done)).await?;
        if context == clientele_identity::NAME {
            done += clientele_identity::rewrap(&mut conn, &house.keyring).await?;
        }
        bar.finish_and_clear();
        let found = found(&mut conn, context).await?;
        let others = found.iter().filter(|(id, _)| *id != house.present());
        let (ended, used): (Vec<_>, Vec<_>) = others.partition(|(_, wrapped)| wrapped.nothing());
        let ended: Vec<String> = ended.into_iter().map(|(id, _)| id.clone()).collect();
        master_key::retire(&mut conn, &ended, SystemClock.now()).await?;
        say(format_args!("{context}: {done} wrapped anew"));
        show(context, house.present(), &self::found(&mut conn, context).await?);
        left.extend(used.into_iter().map(|(id, _)| format!("`{id}` in {context}")));
        conn.close().await.map_err(StorageError::from)?;
    }
    if left.is_empty() {
        return Ok(());
    }
    // A replica with the former configuration has wrapped something meanwhile.
    let left = left.join(", ");
    Err(Error::failed_precondition(
        "MASTER_KEY_IN_USE",
        format!(
            "something is wrapped under {left}: make sure that every replica has the new key as its `secrets.master_key`, and run this again"
        ),
    ))
}

async fn rotate_tokens(connection: &Server, revoke: bool) -> Result<(), Error> {
    let scopes = ["identity.signing_key.rotate"];
    let client = Client::connect(connection, "rotation of signing keys", &scopes, "api", &SystemClock).await?;
    let request = RotateSigningKeysRequest { revoke };
    let rotated: Result<ListSigningKeysResponse, Error> = client.post("/v1/signingKeys:rotate", &request, "").await;
    let closed = client.close().await;
    let keys: Vec<String> = rotated?.keys.into_iter().map(|key| key.kid).collect();
    closed?;
    if revoke && keys.len() != 1 {
        // An identity of a release that knew no revoking has made a key and ended none.
        return Err(Error::failed_precondition(
            "NOT_REVOKED",
            "other keys go on: identity is of a release that cannot end them; finish the upgrade and run this again",
        ));
    }
    let keys = keys.join(", ");
    if revoke {
        say(format_args!("{keys} signs from now on; tokens of all other keys are refused everywhere within a minute"));
    } else {
        say(format_args!("the signing keys are {keys}; the last of them takes over in ten minutes"));
    }
    Ok(())
}

/// The databases of a house and its master keys.
struct House {
    database: PgConnectOptions,
    keyring: Keyring,
    present: String,
}

impl House {
    fn load(arguments: &Arguments) -> Result<Self, Error> {
        let Everything { database, secrets, .. } = configuration::load(arguments.config.as_deref(), std::env::vars())?;
        let keyring = clientele_platform::run::keyring(&secrets, std::sync::Arc::new(SystemEntropy))?;
        let database = database.migration_url().expose_secret().parse().map_err(StorageError::from)?;
        Ok(Self { database, keyring, present: secrets.master_key_id })
    }

    fn present(&self) -> &str {
        &self.present
    }

    /// A connection to the schema of a context, as the owner of its tables.
    async fn connect(&self, context: &str) -> Result<PgConnection, Error> {
        let options = self.database.clone().options([("lock_timeout", "5s"), ("client_min_messages", "warning")]);
        let mut conn = PgConnection::connect_with(&options).await.map_err(StorageError::from)?;
        let owner = postgres::owner_role(context);
        let statement = format!("set role {owner}; set search_path to {context}, public");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await.map_err(StorageError::from)?;
        Ok(conn)
    }
}

/// What a master key wraps in a context.
#[derive(Debug, Default)]
struct Wrapped {
    subject_keys: i64,
    answers: i64,
    signing_keys: usize,
    retired: bool,
}

impl Wrapped {
    fn nothing(&self) -> bool {
        self.subject_keys == 0 && self.answers == 0 && self.signing_keys == 0
    }
}

async fn found(conn: &mut PgConnection, context: &str) -> Result<BTreeMap<String, Wrapped>, Error> {
    let mut found: BTreeMap<String, Wrapped> = BTreeMap::new();
    for (id, in_schema) in master_key::found(conn).await? {
        let master_key::Found { subject_keys, answers, retired } = in_schema;
        found.insert(id, Wrapped { subject_keys, answers, signing_keys: 0, retired });
    }
    if context == clientele_identity::NAME {
        for id in clientele_identity::master_keys(conn).await? {
            found.entry(id).or_default().signing_keys += 1;
        }
    }
    Ok(found)
}

fn show(context: &str, present: &str, found: &BTreeMap<String, Wrapped>) {
    for (id, wrapped) in found {
        let Wrapped { subject_keys, answers, signing_keys, .. } = wrapped;
        let state = match (id == present, wrapped.nothing(), wrapped.retired) {
            (true, ..) => "present",
            (false, true, true) => "nothing is left under it: it may be destroyed",
            (false, true, false) => "nothing is left under it: `clientele keys rewrap` notes that it is done with",
            (false, false, _) => "former, still needed",
        };
        say(format_args!(
            "{context}: master key `{id}`: {subject_keys} keys, {answers} answers, {signing_keys} signing keys: {state}"
        ));
    }
}

#[expect(clippy::print_stdout, reason = "a command speaks to its terminal")]
fn say(text: std::fmt::Arguments<'_>) {
    println!("{text}");
}

/// The contexts asked for, or all.
fn contexts(arguments: &Arguments) -> Vec<&'static str> {
    let wanted = |name: &&str| arguments.context.as_deref().is_none_or(|only| only == *name);
    CONTEXTS.iter().map(|(name, _)| *name).filter(wanted).collect()
}
