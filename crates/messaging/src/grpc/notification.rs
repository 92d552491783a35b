//! `Notifications`: the bell in the web client.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::notifications_server::Notifications;
use clientele_kernel::{Error, NotificationId, Violations};
use clientele_platform::Caller;
use clientele_platform::grpc::status as refuse;
use tonic::{Request, Response, Status as Refusal};

use crate::app::notification::{Notifications as App, Which};
use crate::contract::notification::encode;

/// How many ids one request names.
const MOST_IDS: usize = 200;

/// Serves `Notifications`.
pub(crate) struct NotificationService(pub(crate) App);

#[async_trait::async_trait]
impl Notifications for NotificationService {
    async fn list_notifications(
        &self,
        request: Request<pb::ListNotificationsRequest>,
    ) -> Result<Response<pb::ListNotificationsResponse>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        let request = request.into_inner();
        let page =
            self.0.list(&caller, request.unread, request.page_size, &request.page_token).await.map_err(refuse)?;
        Ok(Response::new(pb::ListNotificationsResponse {
            notifications: page.notifications.iter().map(encode).collect(),
            next_page_token: page.next_page_token,
            unread_count: count(page.unread),
        }))
    }

    async fn mark_notifications_read(
        &self,
        request: Request<pb::MarkNotificationsReadRequest>,
    ) -> Result<Response<pb::MarkNotificationsReadResponse>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        let which = which(&request.into_inner()).map_err(refuse)?;
        let unread = self.0.mark_read(&caller, &which).await.map_err(refuse)?;
        Ok(Response::new(pb::MarkNotificationsReadResponse { unread_count: count(unread) }))
    }
}

fn which(request: &pb::MarkNotificationsReadRequest) -> Result<Which, Error> {
    let ids = &request.ids;
    let mut violations = Violations::new();
    violations.check(request.all == ids.is_empty(), "ids", || {
        if request.all { "must be empty where `all` is said" } else { "is empty: name some, or say `all`" }.to_owned()
    });
    violations
        .check(ids.len() <= MOST_IDS, "ids", || format!("has {} entries: at most {MOST_IDS} are wanted", ids.len()));
    let parsed = ids.iter().take(MOST_IDS).enumerate().filter_map(|(index, id)| {
        let field = format!("ids[{index}]");
        violations.take(&field, NotificationId::parse(id, &field))
    });
    let parsed = parsed.collect();
    violations.into_result()?;
    Ok(if request.all { Which::All } else { Which::These(parsed) })
}

fn count(unread: i64) -> i32 {
    i32::try_from(unread).unwrap_or(i32::MAX)
}
