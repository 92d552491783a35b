//! Services of which only the methods that a test needs exist. They answer over real gRPC.

use std::future::Future;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use futures::stream::BoxStream;
use prost::Message;
use tonic::body::Body;
use tonic::{Status, Streaming};
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

/// Adds a method that takes a stream.
pub(crate) fn taking_method<Q, A, F, R>(router: Router, path: &'static str, answer: F) -> Router
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
    F: Fn(tonic::Request<Streaming<Q>>) -> R + Clone + Send + Sync + 'static,
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
            grpc.client_streaming(service, request.map(Body::new)).await
        }
    };
    router.route(path, post(handler))
}

/// What a method that gives a stream answers.
pub(crate) type Parts<A> = BoxStream<'static, Result<A, Status>>;

/// Adds a method that gives a stream.
pub(crate) fn giving_method<Q, A, F>(router: Router, path: &'static str, answer: F) -> Router
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
    F: Fn(tonic::Request<Q>) -> Result<Parts<A>, Status> + Clone + Send + Sync + 'static,
{
    let handler = move |request: Request| {
        let answer = answer.clone();
        async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<A, Q>::default());
            let service = service_fn(move |request| std::future::ready(answer(request).map(tonic::Response::new)));
            grpc.server_streaming(service, request.map(Body::new)).await
        }
    };
    router.route(path, post(handler))
}
