//! Where the parts of identity meet.

use std::sync::Arc;

use clientele_contracts::identity::v1 as pb;
use clientele_kernel::Error as KernelError;
use clientele_platform::{Deps, Service, Task};
use tonic::service::Routes;

use crate::app;
use crate::app::api_key::ApiKeys;
use crate::app::group::Groups;
use crate::app::housekeeping::Housekeeping;
use crate::app::password::Passwords;
use crate::app::session::Sessions;
use crate::app::store::Stores;
use crate::app::throttle::Throttle;
use crate::app::token::{SigningKeys, Tokens};
use crate::app::user::Users;
use crate::{Config, NAME, grpc};

/// Builds the service. Makes the first signing key, and the first administrator when the configuration has a password
/// for one; with the database away, both are made as soon as it is there. `INVALID_ARGUMENT` when the configuration is
/// not valid.
pub async fn build(config: Config, deps: Deps) -> Result<Service, KernelError> {
    let settings = config.settings()?;
    let Deps { db, entropy, .. } = deps;
    let keys = Arc::new(SigningKeys::new(db.clone(), entropy.clone()));
    let mut housekeeping = Housekeeping::new(db.clone(), entropy.clone(), keys.clone(), settings.rotation, config);
    housekeeping.begin().await?;
    let passwords =
        Passwords::init(settings.hash_cost, settings.hash_concurrency, settings.hash_queue, entropy.clone()).await?;
    let passwords = Arc::new(passwords);
    let throttle = Throttle::new(db.clone(), settings.login_limits, settings.address_limits);
    let tokens = Tokens::new(db.clone(), keys, settings.sessions, settings.services);
    let users = Users::new(db.clone(), passwords.clone(), throttle.clone());
    let sessions = Sessions::new(db.clone(), entropy.clone(), passwords, throttle, settings.sessions);

    let mut routes = Routes::builder();
    routes
        .add_service(pb::users_server::UsersServer::new(grpc::user::Users { app: users, tokens: tokens.clone() }))
        .add_service(pb::groups_server::GroupsServer::new(grpc::group::Groups { app: Groups::new(db.clone()) }))
        .add_service(pb::stores_server::StoresServer::new(grpc::store::Stores { app: Stores::new(db.clone()) }))
        .add_service(pb::sessions_server::SessionsServer::new(grpc::session::Sessions { app: sessions }))
        .add_service(pb::api_keys_server::ApiKeysServer::new(grpc::api_key::ApiKeys {
            app: ApiKeys::new(db.clone(), entropy),
        }))
        .add_service(pb::tokens_server::TokensServer::new(grpc::token::Tokens { app: tokens }))
        .add_service(pb::feed_server::FeedServer::new(grpc::feed::Feed { db }));

    let housekeeping = Task::new(app::housekeeping::TASK, move |stop| housekeeping.run(stop));
    Ok(Service {
        name: NAME,
        migrations: &crate::MIGRATIONS,
        routes: routes.routes(),
        consumers: Vec::new(),
        tasks: vec![housekeeping],
    })
}
