//! The gRPC services, one per aggregate, and the mapping between messages and the domain.

pub(crate) mod api_key;
pub(crate) mod feed;
pub(crate) mod group;
pub(crate) mod session;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod user;

use clientele_kernel::{Error as KernelError, paging};
use clientele_platform::grpc;
use tonic::{Response, Status};

use crate::Error;

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;

/// The answer, or the error as callers see it.
fn respond<T>(result: Result<T, Error>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(grpc::status)
}

/// The size of a page of identity's lists.
fn page_size(requested: i32) -> Result<u32, KernelError> {
    paging::size(requested, PAGE, LARGEST_PAGE)
}

/// Cuts rows fetched with one to spare down to a page, and makes the token of the next.
fn cut<T, K: serde::Serialize>(rows: &mut Vec<T>, size: u32, list: u64, key: impl FnOnce(&T) -> K) -> String {
    if !paging::cut(rows, size) {
        return String::new();
    }
    rows.last().map(|last| paging::encode(&key(last), list)).unwrap_or_default()
}

/// The resource a request must carry.
fn required<T>(resource: Option<T>, field: &str) -> Result<T, KernelError> {
    resource.ok_or_else(|| KernelError::invalid(field, "is missing"))
}

/// Who calls.
fn caller<T>(request: &tonic::Request<T>) -> Result<clientele_platform::Caller, Status> {
    clientele_platform::Caller::of(request).map_err(grpc::status)
}
