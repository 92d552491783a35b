//! Who is at the other end: the address of the client and whether it came over HTTPS, with the word of trusted proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::HOST;
use http::{Extensions, HeaderMap, Uri};
use ipnet::IpNet;

/// The other end of the connection; the server puts it into each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Whether the connection itself is encrypted.
    pub(crate) secure: bool,
}

/// The proxies whose headers are believed.
#[derive(Debug, Clone)]
pub(crate) struct Proxies(Vec<IpNet>);

/// The client as far as the gateway can know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address.
    pub(crate) address: IpAddr,
    /// Whether the browser speaks HTTPS, be it to a proxy.
    pub(crate) secure: bool,
    /// The host the browser asked for, with the port where it is not the usual one.
    pub(crate) host: Option<String>,
}

impl Proxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Reads the client from a request's head.
    pub(crate) fn client(&self, extensions: &Extensions, uri: &Uri, headers: &HeaderMap) -> Client {
        // A request without a peer came through the router alone; it is trusted with nothing.
        let unknown = Peer { address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), secure: false };
        let Peer { address, secure } = extensions.get::<Peer>().copied().unwrap_or(unknown);
        let peer = address.ip().to_canonical();
        // HTTP/2 has the host in the address.
        let host = last(headers, HOST.as_str()).or_else(|| uri.authority().map(ToString::to_string));
        if !self.trust(peer) {
            return Client { address: peer, secure, host };
        }
        Client {
            address: self.forwarded(peer, headers),
            secure: last(headers, "x-forwarded-proto").map_or(secure, |scheme| scheme.eq_ignore_ascii_case("https")),
            host: last(headers, "x-forwarded-host").or(host),
        }
    }

    /// Each proxy adds the address it was called from at the end, so the list is believed from its end up to the first
    /// address that is not a trusted proxy.
    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer;
        let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|line| line.to_str().ok());
        for hop in lines.flat_map(|line| line.rsplit(',')) {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
            address = hop.to_canonical();
            if !self.trust(address) {
                break;
            }
        }
        address
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The last value of a header that proxies append to.
fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> Client {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut extensions = Extensions::new();
        extensions.insert(Peer { address: SocketAddr::new(peer.parse().unwrap(), 1), secure: false });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        proxies.client(&extensions, &Uri::from_static("http://crm.example/v1"), &map)
    }

    #[test]
    fn a_stranger_cannot_choose_its_address_or_claim_https() {
        let seen = client("203.0.113.9", &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")]);
        assert_eq!(
            seen,
            Client { address: "203.0.113.9".parse().unwrap(), secure: false, host: Some("crm.example".to_owned()) }
        );
    }

    #[test]
    fn a_trusted_proxy_tells_the_address_it_was_called_from() {
        let seen = client(
            "10.0.0.1",
            &[("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.1.1"), ("x-forwarded-proto", "https")],
        );
        assert_eq!(seen.address, "203.0.113.9".parse::<IpAddr>().unwrap());
        assert!(seen.secure);
    }

    #[test]
    fn several_lines_are_one_list() {
        let seen = client("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9")]);
        assert_eq!(seen.address, "203.0.113.9".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn nonsense_in_the_list_ends_it() {
        let seen = client("::ffff:10.0.0.1", &[("x-forwarded-for", "6.6.6.6, unknown")]);
        assert_eq!(seen.address, "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    proptest! {
        #[test]
        fn no_header_moves_who_does_not_come_through_a_proxy_and_no_proxy_is_taken_for_a_client_unless_all_are(
            list in "([0-9a-f.:%\\[\\], ]{0,40}|\\PC{0,20}|203\\.0\\.113\\.9, ?10\\.1\\.1\\.1)", scheme in "\\PC{0,8}", host in "\\PC{0,12}",
        ) {
            let plain = |text: &str| http::HeaderValue::from_str(text).is_ok();
            prop_assume!(plain(&list) && plain(&scheme) && plain(&host));
            let headers = [("x-forwarded-for", list.as_str()), ("x-forwarded-proto", &scheme), ("x-forwarded-host", &host)];
            let stranger = client("203.0.113.200", &headers);
            prop_assert_eq!((stranger.address, stranger.secure), ("203.0.113.200".parse().unwrap(), false));
            prop_assert_eq!(stranger.host.as_deref(), Some("crm.example"));
            let seen = client("10.0.0.1", &headers);
            let named = seen.address == "10.0.0.1".parse::<IpAddr>().unwrap()
                || list.split(',').any(|hop| hop.trim().parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical() == seen.address));
            prop_assert!(named, "{}", seen.address);
        }
    }
}
