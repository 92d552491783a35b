//! The `Operations` of a context: each has a gRPC service of its own with the same methods.

/// Makes `OperationService`, which serves the trait of the context's `Operations`. What follows the path, if anything,
/// are the methods this context alone has.
///
/// ```ignore
/// clientele_platform::operations!(clientele_contracts::orders::v1::operations_server::Operations);
/// ```
#[macro_export]
macro_rules! operations {
    ($service:path $(, $($more:tt)*)?) => {
        /// Serves `Operations`.
        #[derive(Debug)]
        pub(crate) struct OperationService {
            pub(crate) db: $crate::postgres::Database,
            pub(crate) consumers: ::std::vec::Vec<$crate::consumer::Consumer>,
        }

        #[::tonic::async_trait]
        impl $service for OperationService {
            async fn get_consumer_status(
                &self,
                _: ::tonic::Request<::clientele_contracts::platform::v1::GetConsumerStatusRequest>,
            ) -> ::std::result::Result<
                ::tonic::Response<::clientele_contracts::platform::v1::GetConsumerStatusResponse>,
                ::tonic::Status,
            > {
                let answer = $crate::consumer::parked::status(&self.db).await;
                answer.map(::tonic::Response::new).map_err($crate::grpc::status)
            }

            async fn list_parked_events(
                &self,
                request: ::tonic::Request<::clientele_contracts::platform::v1::ListParkedEventsRequest>,
            ) -> ::std::result::Result<
                ::tonic::Response<::clientele_contracts::platform::v1::ListParkedEventsResponse>,
                ::tonic::Status,
            > {
                let answer = $crate::consumer::parked::list(&self.db, request.into_inner()).await;
                answer.map(::tonic::Response::new).map_err($crate::grpc::status)
            }

            async fn replay_parked_events(
                &self,
                request: ::tonic::Request<::clientele_contracts::platform::v1::ReplayParkedEventsRequest>,
            ) -> ::std::result::Result<
                ::tonic::Response<::clientele_contracts::platform::v1::ReplayParkedEventsResponse>,
                ::tonic::Status,
            > {
                let answer =
                    $crate::consumer::parked::replay(&self.db, &self.consumers, request.into_inner()).await;
                answer.map(::tonic::Response::new).map_err($crate::grpc::status)
            }

            $($($more)*)?
        }
    };
}
