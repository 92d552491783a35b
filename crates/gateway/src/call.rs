//! What goes along with every call to a service: in whose name, from where, and how long it may take.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use clientele_kernel::Origin;
use clientele_platform::grpc::{HEADER_INTEGRATION, HEADER_ORIGIN};
use clientele_platform::telemetry;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use tokio::time::Instant;
use tonic::Status;

use crate::auth::Principal;

/// The circumstances of a request, handed on to the services.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// In whose name; `None` before that is known, and for what is open to all.
    pub(crate) principal: Option<Arc<Principal>>,
    /// Where the request came from.
    pub(crate) origin: Origin,
    /// Label of the integration.
    pub(crate) integration: Option<HeaderValue>,
    /// When the answer is wanted at the latest.
    pub(crate) deadline: Instant,
}

impl Call {
    /// The same with an earlier deadline; a later one changes nothing.
    pub(crate) fn no_later_than(&self, deadline: Instant) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self.clone() }
    }

    /// The same with another deadline, for what may take longer than a request in general.
    pub(crate) fn until(&self, deadline: Instant) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The time that is left.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A request that carries token, origin, label, deadline and trace.
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.remaining());
        let headers: &mut http::HeaderMap = request.metadata_mut().as_mut();
        telemetry::inject(headers);
        headers.insert(HEADER_ORIGIN, HeaderValue::from_static(self.origin.as_str()));
        if let Some(label) = &self.integration {
            headers.insert(HEADER_INTEGRATION, label.clone());
        }
        // A token that is no header value cannot be one of identity's; the service refuses the call without it.
        if let Some(Ok(mut value)) =
            self.principal.as_ref().map(|p| HeaderValue::try_from(format!("Bearer {}", p.token.0)))
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        request
    }

    /// Waits for an answer until the deadline. The service is told the deadline too, but may be unable to keep it.
    pub(crate) async fn within<T>(&self, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        match tokio::time::timeout_at(self.deadline, answer).await {
            Ok(answer) => answer,
            Err(_late) => Err(Status::deadline_exceeded("the service did not answer in time")),
        }
    }
}
