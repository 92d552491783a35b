//! Which methods take a stream.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::access::POOL;

static TAKING: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    POOL.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .filter(prost_reflect::MethodDescriptor::is_client_streaming)
        .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
        .collect()
});

/// Whether the method of this gRPC path takes a stream, and so lasts as long as its caller sends.
pub fn takes_stream(path: &str) -> bool {
    TAKING.contains(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_takes_a_stream_and_a_download_does_not() {
        assert!(takes_stream("/clientele.customers.v1.Imports/UploadImportFile"));
        assert!(!takes_stream("/clientele.customers.v1.Imports/DownloadRefusedRows"));
    }
}
