//! What can go wrong in identity, and how callers are told.

use std::time::Duration;

use clientele_kernel::{ApiKeyId, Error as KernelError, GroupId, StoreId, UserId};
use clientele_platform::postgres;

/// A failure of identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user.
    #[error("there is no user {0}")]
    UserNotFound(UserId),
    /// There is no such group.
    #[error("there is no group {0}")]
    GroupNotFound(GroupId),
    /// There is no such store.
    #[error("there is no store {0}")]
    StoreNotFound(StoreId),
    /// There is no such API key.
    #[error("there is no API key {0}")]
    ApiKeyNotFound(ApiKeyId),
    /// Another user has the login.
    #[error("the login is taken")]
    LoginTaken,
    /// Another group has the name.
    #[error("the group's name is taken")]
    GroupNameTaken,
    /// Another store has the name.
    #[error("the store's name is taken")]
    StoreNameTaken,
    /// A user cannot be put into a group that does not exist.
    #[error("a group does not exist")]
    UnknownGroup,
    /// The administrators' group cannot be changed.
    #[error("the administrators' group cannot be changed")]
    AdministratorsFixed,
    /// The last administrator stays one.
    #[error("the last administrator must stay one")]
    LastAdministrator,
    /// Nobody gives away or touches what exceeds their own permissions.
    #[error("the caller's own permissions do not reach so far")]
    BeyondCaller(Option<String>),
    /// Only people do this, for themselves.
    #[error("only a signed-in user can do this")]
    NotAUser,
    /// The present password is not the one given.
    #[error("the present password is another")]
    WrongPassword,
    /// Wrong login or password: which of them is not told.
    #[error("wrong login or password")]
    SignInRefused,
    /// Too many failures: wait.
    #[error("too many failed sign-ins")]
    Throttled(Duration),
    /// More passwords wait to be hashed than may.
    #[error("too many sign-ins at once")]
    Busy,
    /// The secret proves nothing.
    #[error("the proof does not hold")]
    ProofRefused,
    /// The next signing key is published already and takes over in a while.
    #[error("a rotation of the signing keys is under way")]
    RotationUnderWay(Duration),
    /// The request is wrong.
    #[error(transparent)]
    Refused(#[from] KernelError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] postgres::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match postgres::constraint(&error) {
            Some("user_login_taken") => Self::LoginTaken,
            Some("group_name_taken") => Self::GroupNameTaken,
            Some("store_name_taken") => Self::StoreNameTaken,
            Some("user_group_exists") => Self::UnknownGroup,
            _ => Self::Storage(error.into()),
        }
    }
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(inner) => inner,
            Error::Storage(inner) => inner.into(),
            Error::UserNotFound(id) => Self::not_found("user", id),
            Error::GroupNotFound(id) => Self::not_found("group", id),
            Error::StoreNotFound(id) => Self::not_found("store", id),
            Error::ApiKeyNotFound(id) => Self::not_found("API key", id),
            Error::LoginTaken => Self::already_exists("LOGIN_TAKEN", "another user has this login: take another one"),
            Error::GroupNameTaken => {
                Self::already_exists("GROUP_NAME_TAKEN", "another group has this name: take another one")
            }
            Error::StoreNameTaken => {
                Self::already_exists("STORE_NAME_TAKEN", "another store has this name: take another one")
            }
            Error::UnknownGroup => Self::invalid("user.group_ids", "names a group that does not exist"),
            Error::AdministratorsFixed => Self::failed_precondition(
                "ADMINISTRATORS_FIXED",
                "the administrators' group always may do everything and cannot be changed: make another group",
            ),
            Error::LastAdministrator => Self::failed_precondition(
                "LAST_ADMINISTRATOR",
                "this is the last administrator: make another user one before",
            ),
            Error::BeyondCaller(Some(permission)) => Self::permission_denied(format!(
                "this would pass on the permission `{permission}`, which you do not have yourself"
            ))
            .with_reason("BEYOND_OWN_PERMISSIONS")
            .with_metadata("permission", permission),
            Error::BeyondCaller(None) => Self::permission_denied("this is about somebody who may do more than you")
                .with_reason("BEYOND_OWN_PERMISSIONS"),
            Error::NotAUser => {
                Self::permission_denied("only a user who has signed in can do this").with_reason("NOT_A_USER")
            }
            Error::WrongPassword => {
                Self::invalid("current_password", "is not the present password").with_reason("WRONG_PASSWORD")
            }
            Error::SignInRefused => {
                Self::unauthenticated("wrong login or password").with_reason("WRONG_LOGIN_OR_PASSWORD")
            }
            Error::Throttled(wait) => Self::exhausted(
                "SIGN_IN_THROTTLED",
                format!("too many failed sign-ins: try again in {} seconds", wait.as_secs_f64().ceil()),
                wait,
            ),
            Error::Busy => Self::unavailable("too many people sign in at once: try again in a moment"),
            Error::ProofRefused => Self::unauthenticated("this session, key or service credential is not valid")
                .with_reason("PROOF_REFUSED"),
            Error::RotationUnderWay(wait) => Self {
                retry_after: Some(wait),
                ..Self::failed_precondition(
                    "ROTATION_UNDER_WAY",
                    format!("the next key is published already and takes over in {} seconds", wait.as_secs()),
                )
            },
        }
    }
}
