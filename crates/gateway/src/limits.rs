//! How often one caller may come: a rate for each user or API key, one for each address that has not proved who it is, and
//! one for the visits to widgets that come from an address.
//!
//! What is left is told in the headers of the IETF's draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` names
//! the policy with its quota `q` and window `w` in seconds, `RateLimit` what remains (`r`) and after how many seconds
//! all of it is back (`t`).

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

use clientele_kernel::Error;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Config;
use crate::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Most callers remembered at once before those who have their whole quota again are forgotten out of turn.
const MOST_REMEMBERED: usize = 200_000;

/// Counts what callers do. The clock is the monotonic one of the machine rather than the kernel's: setting the time of day
/// must neither lock callers out nor let them in.
pub(crate) struct Limits<C: Clock = MonotonicClock> {
    principals: Limiter<String, C>,
    addresses: Limiter<IpAddr, C>,
    visits: Limiter<IpAddr, C>,
}

struct Limiter<K: Hash + Eq + Clone, C: Clock> {
    name: &'static str,
    rate: NonZeroU32,
    burst: NonZeroU32,
    clock: C,
    counts: RateLimiter<K, DefaultKeyedStateStore<K>, C, StateInformationMiddleware>,
}

/// What a caller has left.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    policy: &'static str,
    quota: u32,
    window: u64,
    left: u32,
    back_after: u64,
}

impl<C: Clock + Clone> Limits<C> {
    pub(crate) fn new(config: &Config, clock: &C) -> Self {
        Self {
            principals: Limiter::new("principal", config.principal_rate, config.principal_burst, clock),
            addresses: Limiter::new("address", config.address_rate, config.address_burst, clock),
            visits: Limiter::new("visits", config.visit_rate, config.visit_burst, clock),
        }
    }

    /// Counts a request of a known caller.
    pub(crate) fn principal(&self, id: &str) -> (Allowance, Result<(), Problem>) {
        self.principals.count(&id.to_owned())
    }

    /// Counts a request of somebody unknown. Addresses of version 6 are counted by their /64, which one subscriber has.
    pub(crate) fn address(&self, address: IpAddr) -> (Allowance, Result<(), Problem>) {
        self.addresses.count(&network(address))
    }

    /// Counts a visit to a widget, of which a channel takes so many a minute from everybody together: one address must not use
    /// them up.
    pub(crate) fn visit(&self, address: IpAddr) -> (Allowance, Result<(), Problem>) {
        self.visits.count(&network(address))
    }

    /// Forgets callers who have their whole quota again.
    pub(crate) fn tidy(&self) {
        self.principals.counts.retain_recent();
        self.addresses.counts.retain_recent();
        self.visits.counts.retain_recent();
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Limiter<K, C> {
    fn new(name: &'static str, rate: NonZeroU32, burst: NonZeroU32, clock: &C) -> Self {
        let quota = Quota::per_second(rate).allow_burst(burst);
        let counts = RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
        Self { name, rate, burst, clock: clock.clone(), counts }
    }

    fn count(&self, key: &K) -> (Allowance, Result<(), Problem>) {
        if self.counts.len() > MOST_REMEMBERED {
            self.counts.retain_recent();
        }
        match self.counts.check_key(key) {
            Ok(state) => (self.allowance(state.remaining_burst_capacity()), Ok(())),
            Err(not_until) => {
                let delay = not_until.wait_time_from(self.clock.now());
                let message = format!("too many requests: {} a second are allowed in the long run", self.rate);
                (self.allowance(0), Err(Error::exhausted("RATE_LIMITED", message, delay).into()))
            }
        }
    }

    fn allowance(&self, left: u32) -> Allowance {
        let (rate, burst) = (self.rate.get(), self.burst.get());
        let after = |count: u32| u64::from(count.div_ceil(rate));
        Allowance {
            policy: self.name,
            quota: burst,
            window: after(burst),
            left,
            back_after: after(burst.saturating_sub(left)),
        }
    }
}

impl Allowance {
    /// Tells the caller what is left.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let policy = format!("\"{}\";q={};w={}", self.policy, self.quota, self.window);
        let left = format!("\"{}\";r={};t={}", self.policy, self.left, self.back_after);
        for (name, value) in [(POLICY, policy), (LEFT, left)] {
            headers.insert(name, HeaderValue::try_from(value).expect("letters, digits and quotes are a header value"));
        }
    }
}

/// The address, of version 6 the /64 that it is in.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) & (u128::MAX << 64)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    fn limits() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let one = |n| NonZeroU32::new(n).unwrap();
        let config = Config {
            principal_rate: one(2),
            principal_burst: one(4),
            address_rate: one(1),
            address_burst: one(1),
            ..crate::config::defaults()
        };
        (Limits::new(&config, &clock), clock)
    }

    #[test]
    fn a_caller_may_come_in_a_burst_and_then_at_the_rate() {
        let (limits, clock) = limits();
        let left: Vec<_> = (0..4).map(|_| limits.principal("ana").0.left).collect();
        assert_eq!(left, [3, 2, 1, 0]);
        let (allowance, refused) = limits.principal("ana");
        assert_eq!(refused.unwrap_err().retry_after, Some(Duration::from_millis(500)));
        assert_eq!((allowance.left, allowance.back_after), (0, 2));
        clock.advance(Duration::from_millis(500));
        assert!(limits.principal("ana").1.is_ok());
        assert!(limits.principal("ana").1.is_err());
        assert!(limits.principal("bob").1.is_ok(), "one caller's limit is not another's");
    }

    #[test]
    fn addresses_of_one_subscriber_share_a_limit() {
        let (limits, _) = limits();
        assert!(limits.address("2001:db8::1".parse().unwrap()).1.is_ok());
        assert!(limits.address("2001:db8::ffff:2".parse().unwrap()).1.is_err());
        assert!(limits.address("2001:db8:0:1::1".parse().unwrap()).1.is_ok());
        assert!(limits.address("192.0.2.1".parse().unwrap()).1.is_ok());
        assert!(limits.address("192.0.2.2".parse().unwrap()).1.is_ok());
    }

    #[test]
    fn what_is_left_is_told_in_the_headers_of_the_draft() {
        let (limits, _) = limits();
        let mut headers = HeaderMap::new();
        limits.principal("ana").0.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"principal\";q=4;w=2");
        assert_eq!(headers["ratelimit"], "\"principal\";r=3;t=1");
    }
}
