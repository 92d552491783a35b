//! The contracts between services, generated from `proto/`: messages, gRPC clients and servers, and the descriptor
//! set from which REST routes, the OpenAPI document, reflection and permissions are derived.
//!
//! Each package stands in a module of its path: `clientele.customers.v1` is [`customers::v1`]. [`access`] reads from
//! the descriptors who may call a method, [`streams`] which methods take a stream.

pub mod access;
pub mod streams;

/// The descriptor set of everything under `proto/`, options and comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/clientele.descriptors.bin"));

/// The contexts that run as services, each with a package of its name.
pub const CONTEXTS: [&str; 6] = ["identity", "customers", "messaging", "orders", "campaigns", "analytics"];

macro_rules! package {
    ($($module:ident => $file:literal, $about:literal;)*) => {$(
        #[doc = $about]
        pub mod $module {
            /// Version 1.
            #[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/", $file));
            }
        }
    )*};
}

package! {
    analytics => "clientele.analytics.v1.rs", "Figures and timelines kept from events.";
    campaigns => "clientele.campaigns.v1.rs", "Segments and who belongs to them.";
    customers => "clientele.customers.v1.rs", "Customers and how to reach them.";
    gateway => "clientele.gateway.v1.rs", "What the gateway answers of its own.";
    identity => "clientele.identity.v1.rs", "Users, groups, stores, sessions, keys, tokens.";
    messaging => "clientele.messaging.v1.rs", "Letters, dialogs, channels, notifications.";
    orders => "clientele.orders.v1.rs", "Catalogue, orders, payments, credit notes.";
    platform => "clientele.platform.v1.rs", "What all packages share: money, references, events, access.";
}

/// Messages of Google's API packages.
pub mod google {
    /// The package `google.api`.
    pub mod api {
        /// A body of HTTP that is not JSON: bytes with their type. A method that takes or gives it is raw over REST.
        #[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
        pub struct HttpBody {
            /// The media type.
            #[prost(string, tag = "1")]
            pub content_type: String,
            /// The bytes, or a part of them.
            #[prost(bytes = "vec", tag = "2")]
            pub data: Vec<u8>,
        }
    }
}
