//! `Operations`: what the people who run messaging look at.

clientele_platform::operations!(clientele_contracts::messaging::v1::operations_server::Operations);
