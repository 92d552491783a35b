//! Services of which only the methods that a test needs exist. They answer over real gRPC.

use std::future::Future;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic_prost::ProstCodec;
use tower::service_fn;

/// Adds a method to the routes of a service.
pub(crate) fn method<Q, A, F, R>(router: Router, path: &'static str, answer: F) -> Router
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
    F: Fn(tonic::Request<Q>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<A, Status>> + Send + 'static,
{
    let handler = move |request: Request| {
        let answer = answer.clone();
        async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<A, Q>::default());
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { answer.await.map(tonic::Response::new) }
            });
            grpc.unary(service, request.map(Body::new)).await
        }
    };
    router.route(path, post(handler))
}
