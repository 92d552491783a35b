//! Where the parts meet.

use std::sync::Arc;

use clientele_contracts::messaging::v1::channels_server::ChannelsServer;
use clientele_contracts::messaging::v1::dialogs_server::DialogsServer;
use clientele_contracts::messaging::v1::email_templates_server::EmailTemplatesServer;
use clientele_contracts::messaging::v1::emails_server::EmailsServer;
use clientele_contracts::messaging::v1::feed_server::FeedServer;
use clientele_contracts::messaging::v1::mailbox_server::MailboxServer;
use clientele_contracts::messaging::v1::notifications_server::NotificationsServer;
use clientele_contracts::messaging::v1::operations_server::OperationsServer;
use clientele_contracts::messaging::v1::visitors_server::VisitorsServer;
use clientele_kernel::Error;
use clientele_platform::{Deps, Service, Task};
use tokio::sync::Notify;
use tonic::service::Routes;

use crate::app;
use crate::app::channel::Channels;
use crate::app::customer::Customers;
use crate::app::dialog::Dialogs;
use crate::app::email::{House, Letters};
use crate::app::figures::Figures;
use crate::app::import::Imports;
use crate::app::lookup::Lookup;
use crate::app::mailbox::Mailbox;
use crate::app::notification::Notifications;
use crate::app::send::Sending;
use crate::app::template::Templates;
use crate::app::visitor::Visitors;
use crate::app::waiting::Waiting;
use crate::domain::email::Sender;
use crate::domain::ledger::Patience;
use crate::domain::mailbox::Memory;
use crate::events::consume;
use crate::grpc::LARGEST_BATCH;
use crate::grpc::channel::ChannelService;
use crate::grpc::dialog::DialogService;
use crate::grpc::email::EmailService;
use crate::grpc::feed::FeedService;
use crate::grpc::mailbox::MailboxService;
use crate::grpc::notification::NotificationService;
use crate::grpc::operation::OperationService;
use crate::grpc::template::TemplateService;
use crate::grpc::visitor::VisitorService;
use crate::sender::{Steps, sender};
use crate::{Config, NAME};

/// Builds the service. `INVALID_ARGUMENT` names a key of the configuration that is wrong.
pub async fn build(config: Config, deps: Deps) -> Result<Service, Error> {
    config.check()?;
    let sending = sending(&config, &deps)?;
    let letters = letters(&config, &deps, sending.wake.clone());
    let db = deps.db;
    let consumers = consume::consumers();
    let dialogs = Dialogs::new(db.clone(), Lookup::new(sending.customers.clone(), &deps.clients));
    let dialogs = DialogService { app: dialogs, clock: deps.clock.clone() };
    let visitors = Visitors::new(db.clone(), deps.entropy.clone());
    let mailbox = Mailbox::new(db.clone(), config.smtp_host.is_empty());
    let memory = Memory { span: config.mailbox_keep, most: config.mailbox_most };
    let routes = Routes::new(FeedServer::new(FeedService(db.clone())))
        .add_service(EmailsServer::new(letters).max_decoding_message_size(LARGEST_BATCH))
        .add_service(EmailTemplatesServer::new(TemplateService(Templates::new(db.clone()))))
        .add_service(MailboxServer::new(MailboxService(mailbox.clone())))
        .add_service(ChannelsServer::new(ChannelService(Channels::new(db.clone(), deps.entropy.clone()))))
        .add_service(DialogsServer::new(dialogs).max_decoding_message_size(LARGEST_BATCH))
        .add_service(VisitorsServer::new(VisitorService(visitors.clone())))
        .add_service(NotificationsServer::new(NotificationService(Notifications::new(db.clone()))))
        .add_service(OperationsServer::new(OperationService { db, consumers: consumers.clone() }));
    let mut tasks = vec![Task::new(app::visitor::TASK, |stop| visitors.forget_silent(stop))];
    tasks.push(Task::new(app::mailbox::TASK, move |stop| mailbox.forget_old(memory, stop)));
    let worker = sending.clone();
    tasks.push(Task::new(app::send::TASK, |stop| worker.run(stop)));
    let held = sending.clone();
    tasks.push(Task::new("held-letters", move |stop| held.settle_held(stop)));
    let (figures, counted) = (sending.figures.clone(), sending.db.clone());
    tasks.push(Task::new(app::figures::TASK, |stop| figures.keep(counted, stop)));
    tasks.push(Task::new(app::send::SWEEP_TASK, |stop| sending.sweep(stop)));
    Ok(Service { name: NAME, migrations: &crate::MIGRATIONS, routes, consumers, tasks })
}

fn letters(config: &Config, deps: &Deps, wake: Arc<Notify>) -> EmailService {
    let customers = Customers::new(&deps.clients, config.customer_lookup_deadline);
    let from = Sender {
        address: config.from_address.trim().to_owned(),
        name: config.from_name.trim().to_owned(),
        reply_to: config.reply_to.trim().to_owned(),
    };
    let house = Arc::new(House { company_name: config.company_name.clone(), from });
    let waiting = Waiting::new(deps.db.clone(), config.send_most_waiting);
    EmailService {
        letters: Letters::new(deps.db.clone(), customers.clone(), house, waiting, wake),
        imports: Imports::new(deps.db.clone(), customers),
        db: deps.db.clone(),
    }
}

fn sending(config: &Config, deps: &Deps) -> Result<Sending, Error> {
    Ok(Sending {
        db: deps.db.clone(),
        customers: Customers::new(&deps.clients, config.customer_lookup_deadline),
        sender: sender(config, &deps.db)?,
        entropy: deps.entropy.clone(),
        patience: Patience {
            attempts: config.send_attempts.into(),
            first_wait: config.send_first_wait,
            longest_wait: config.send_longest_wait,
        },
        consent_deadline: config.customer_lookup_deadline,
        steps: Steps::new(config.smtp_timeout),
        poll: config.send_poll,
        sessions: config.send_concurrency,
        wake: Arc::new(Notify::new()),
        figures: Figures::new(deps.db.metrics()),
    })
}
