//! `Operations`: what the people who run campaigns look at.

clientele_platform::operations!(clientele_contracts::campaigns::v1::operations_server::Operations);
