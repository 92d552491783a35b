//! In whose name a piece of work is done.

use std::collections::BTreeSet;
use std::sync::Arc;

use clientele_kernel::{Actor, ActorKind, Error, Origin, UserId};

/// Who calls, what they may do and where the call came from. The permission layer puts it into every request it admits.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub actor: Actor,
    /// Name to show; for services their own.
    pub display_name: String,
    /// What the caller may do.
    pub permissions: Permissions,
    /// Where the call came from.
    pub origin: Origin,
    /// Label of the integration, where one calls.
    pub integration: Option<String>,
    /// W3C `traceparent` of the call.
    pub traceparent: Option<String>,
    /// The token that proves it, for calls to other services on the caller's behalf.
    pub token: Option<Arc<str>>,
}

impl Caller {
    /// A service of ours, working in the background.
    pub fn service(name: &str) -> Self {
        Self {
            actor: Actor::service(name),
            display_name: name.to_owned(),
            permissions: Permissions::default(),
            origin: Origin::Automation,
            integration: None,
            traceparent: crate::telemetry::current_traceparent(),
            token: None,
        }
    }

    /// The caller of a request that the permission layer has admitted. A method open to the public has none.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Error> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| Error::unauthenticated("sign in or send a token"))
    }

    /// The person who calls; none where it is a program.
    pub fn user(&self) -> Option<UserId> {
        (self.actor.kind == ActorKind::User).then(|| self.actor.id.parse().ok()).flatten()
    }

    /// Fails unless the caller may.
    pub fn require(&self, permission: &str) -> Result<(), Error> {
        if self.permissions.allow(permission) {
            Ok(())
        } else {
            Err(Error::permission_denied(format!("this needs the permission `{permission}`"))
                .with_metadata("permission", permission))
        }
    }
}

/// What a caller may do.
#[derive(Debug, Clone, Default)]
pub struct Permissions(Arc<BTreeSet<String>>);

impl Permissions {
    /// The permission that stands for all there are: administrators have it.
    pub const EVERYTHING: &'static str = "*";

    /// True when the caller may.
    pub fn allow(&self, permission: &str) -> bool {
        self.0.contains(permission) || self.0.contains(Self::EVERYTHING)
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<S> for Permissions {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(Arc::new(names.into_iter().map(Into::into).collect()))
    }
}
