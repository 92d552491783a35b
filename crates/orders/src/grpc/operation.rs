//! `Operations`: what the people who run orders look at.

clientele_platform::operations!(clientele_contracts::orders::v1::operations_server::Operations);
