//! Who did something, and from where.

use std::fmt;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// What sort of actor.
    pub kind: ActorKind,
    /// Id of the user or API key; name of the service.
    pub id: String,
}

impl Actor {
    /// A service of ours.
    pub fn service(name: &str) -> Self {
        Self { kind: ActorKind::Service, id: name.to_owned() }
    }
}

macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// The name in storage and in headers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the name; `None` for one that does not exist.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// Sorts of actors.
    ActorKind {
        /// A person who signed in.
        User = "user",
        /// A program with an API key.
        ApiKey = "api_key",
        /// A service of ours working in the background.
        Service = "service",
    }
}

named! {
    /// Where a change came from.
    Origin {
        /// Not said.
        Unspecified = "unspecified",
        /// A person in the web client.
        Web = "web",
        /// A program over the API.
        Api = "api",
        /// An import of a file.
        Import = "import",
        /// A rule of ours acting by itself.
        Automation = "automation",
        /// A message from a channel.
        Channel = "channel",
    }
}
