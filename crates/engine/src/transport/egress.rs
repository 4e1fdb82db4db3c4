//! The egress guard: what may be dialled.
//!
//! Invariants: an address that is not public is dialled only where an entry of the allow-list names it, by address or by the name that led to
//! it; the addresses checked are the addresses dialled, so a name that changes its mind in between gains nothing.
//! Source: `[egress] allow`; RFC 6890 and its IPv6 relatives for what is not public.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Entries of an allow-list at most.
pub const ALLOW_MAX: usize = 1_000;

/// Why a name without an address is refused.
pub(crate) const UNRESOLVED: &str = "the name does not resolve";

/// An entry of the allow-list that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Neither `host:port` nor an address nor a range.
    #[error("egress entry `{0}` is not of the form host:port, address:port or range:port")]
    Entry(String),
    /// More entries than are looked through.
    #[error("more than {ALLOW_MAX} egress entries")]
    TooMany,
}

/// Why something may not be dialled.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{place}` is refused: {why}")]
pub struct Refused {
    /// Host and port.
    pub place: String,
    /// The reason.
    pub why: &'static str,
}

/// Whom an entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    /// A host name; with `*.` in front all names below it; `*` all names.
    Name(String),
    /// An address range.
    Range(IpAddr, u8),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    whom: Whom,
    /// Any port where absent.
    port: Option<u16>,
}

/// The guard.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    allow: Vec<Entry>,
    only_listed: bool,
}

impl Egress {
    /// Public addresses, and whatever the entries name: `host:port`, `address:port`, `10.0.0.0/8:443`, `*.corp.example:443`, a port of `*`
    /// for any.
    pub fn new<S: AsRef<str>>(entries: &[S]) -> Result<Self, Error> {
        if entries.len() > ALLOW_MAX {
            return Err(Error::TooMany);
        }
        let allow = entries.iter().map(|e| entry(e.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { allow, only_listed: false })
    }
    /// Also public addresses only where an entry names them.
    #[must_use]
    pub const fn only_listed(mut self) -> Self {
        self.only_listed = true;
        self
    }

    /// The addresses of a host that may be dialled, resolved now.
    ///
    /// - errors: a host that may not be dialled at all, or one without an address.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refused> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => match tokio::net::lookup_host((host, port)).await {
                Ok(found) => found.collect(),
                Err(_) => return Err(refused(host, port, UNRESOLVED)),
            },
        };
        self.filter(host, port, found)
    }
    /// Of the addresses of a host those that may be dialled.
    pub fn filter(&self, host: &str, port: u16, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let named = self.names(host, port);
        let mut why = UNRESOLVED;
        let allowed: Vec<_> = found
            .into_iter()
            .filter(|address| {
                let ip = plain(address.ip());
                if named || self.lists(ip, port) {
                    return true;
                }
                why = if !is_public(ip) {
                    "the address is not public and no `egress.allow` entry names it"
                } else if self.only_listed {
                    "no `egress.allow` entry names it"
                } else {
                    return true;
                };
                false
            })
            .collect();
        if allowed.is_empty() { Err(refused(host, port, why)) } else { Ok(allowed) }
    }
    fn names(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if host.parse::<IpAddr>().is_ok() {
            return false;
        }
        self.allow.iter().any(|entry| {
            entry.port.is_none_or(|p| p == port)
                && match &entry.whom {
                    // Any name is no trust in any address: a bare `*` opens public addresses only.
                    Whom::Name(name) if name == "*" => false,
                    Whom::Name(name) => match name.strip_prefix("*.") {
                        Some(parent) => host.strip_suffix(parent).is_some_and(|head| head.ends_with('.')),
                        None => *name == host,
                    },
                    Whom::Range(..) => false,
                }
        })
    }
    fn lists(&self, ip: IpAddr, port: u16) -> bool {
        self.allow.iter().any(|entry| {
            entry.port.is_none_or(|p| p == port)
                && match &entry.whom {
                    Whom::Range(network, bits) => within(ip, *network, *bits),
                    Whom::Name(name) => name == "*" && is_public(ip),
                }
        })
    }
}

fn refused(host: &str, port: u16, why: &'static str) -> Refused {
    Refused { place: format!("{host}:{port}"), why }
}

fn entry(text: &str) -> Result<Entry, Error> {
    let wrong = || Error::Entry(text.to_string());
    let text = text.trim();
    let (whom, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':').unwrap_or(rest)),
        None if text.matches(':').count() > 1 => (text, ""),
        None => text.rsplit_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" | "*" => None,
        port => Some(port.parse::<u16>().map_err(|_| wrong())?),
    };
    let whom = match whom.split_once('/') {
        Some((network, bits)) => {
            let network = plain(IpAddr::from_str(network).map_err(|_| wrong())?);
            let bits = bits.parse::<u8>().map_err(|_| wrong())?;
            if bits > if network.is_ipv4() { 32 } else { 128 } {
                return Err(wrong());
            }
            Whom::Range(network, bits)
        }
        None => match IpAddr::from_str(whom) {
            Ok(ip) => {
                let ip = plain(ip);
                Whom::Range(ip, if ip.is_ipv4() { 32 } else { 128 })
            }
            Err(_) => {
                let name = whom.trim_end_matches('.').to_ascii_lowercase();
                let labels = name.strip_prefix("*.").unwrap_or(if name == "*" { "x" } else { &name });
                let good =
                    |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                if !labels.split('.').all(good) {
                    return Err(wrong());
                }
                Whom::Name(name)
            }
        },
    };
    Ok(Entry { whom, port })
}

fn within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (ip, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0,
        _ => false,
    }
}

/// An IPv4 address written as IPv6 is the IPv4 address.
fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// True for addresses of the public Internet, also inside the forms that carry an IPv4 address.
pub fn is_public(ip: IpAddr) -> bool {
    match plain(ip) {
        IpAddr::V4(ip) => public_v4(ip),
        IpAddr::V6(ip) => public_v6(ip),
    }
}

const NOT_PUBLIC_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn public_v4(ip: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|(network, bits)| within(ip.into(), (*network).into(), *bits))
}

fn public_v6(ip: Ipv6Addr) -> bool {
    let bits = ip.to_bits();
    let head = |n: u32| bits >> (128 - n);
    let v4 = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    // Everything public lies in 2000::/3, but NAT64's well-known prefix.
    if head(96) == 0x0064_ff9b_0000_0000_0000_0000 {
        return public_v4(v4(0));
    }
    if head(3) != 0b001 {
        return false;
    }
    match head(16) {
        // 6to4 and Teredo carry IPv4 addresses; Teredo hides two of them.
        0x2002 => public_v4(v4(80)),
        0x2001 => !matches!(head(32), 0x2001_0000 | 0x2001_0db8) && !matches!(head(28), 0x200_1001 | 0x200_1002),
        0x3fff => head(20) != 0x3fff0,
        _ => true,
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries{}", self.allow.len(), if self.only_listed { ", nothing else" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
    fn check(egress: &Egress, host: &str, port: u16, address: &str) -> Result<usize, &'static str> {
        egress.filter(host, port, vec![SocketAddr::new(ip(address), port)]).map(|a| a.len()).map_err(|r| r.why)
    }

    #[test]
    fn addresses_that_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "2001:20::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
        }
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "172.32.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
            "2606:4700::1",
            "2001:4860::1",
        ] {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn private_addresses_need_an_entry_of_their_port() {
        let none = Egress::default();
        assert_eq!(check(&none, "a.example", 443, "93.184.216.34"), Ok(1));
        assert!(check(&none, "a.example", 443, "10.0.0.1").unwrap_err().contains("not public"));
        let some = Egress::new(&[
            "127.0.0.1:9100",
            "10.1.0.0/16:443",
            "[fd00::1]:80",
            "db.corp.example:5432",
            "*.lab.example:*",
        ])
        .unwrap();
        assert_eq!(check(&some, "127.0.0.1", 9100, "127.0.0.1"), Ok(1));
        assert_eq!(check(&some, "any.example", 9100, "::ffff:127.0.0.1"), Ok(1));
        assert!(check(&some, "127.0.0.1", 22, "127.0.0.1").is_err());
        assert!(check(&some, "127.0.0.2", 9100, "127.0.0.2").is_err());
        assert_eq!(check(&some, "x", 443, "10.1.255.1"), Ok(1));
        assert!(check(&some, "x", 443, "10.2.0.1").is_err());
        assert_eq!(check(&some, "[fd00::1]", 80, "fd00::1"), Ok(1));
        assert_eq!(check(&some, "DB.corp.example.", 5432, "10.9.9.9"), Ok(1));
        assert!(check(&some, "xdb.corp.example", 5432, "10.9.9.9").is_err());
        assert_eq!(check(&some, "a.b.lab.example", 1, "192.168.0.1"), Ok(1));
        assert!(check(&some, "lab.example", 1, "192.168.0.1").is_err());
        assert!(check(&some, "evillab.example", 1, "192.168.0.1").is_err());
    }

    #[test]
    fn only_listed_and_the_star() {
        let only = Egress::new(&["api.example:443"]).unwrap().only_listed();
        assert_eq!(check(&only, "api.example", 443, "93.184.216.34"), Ok(1));
        assert!(check(&only, "api.example", 80, "93.184.216.34").is_err());
        assert!(check(&only, "b.example", 443, "93.184.216.34").is_err());
        let star = Egress::new(&["*:443"]).unwrap().only_listed();
        assert_eq!(check(&star, "b.example", 443, "93.184.216.34"), Ok(1));
        assert!(check(&star, "b.example", 443, "127.0.0.1").is_err());
    }

    #[test]
    fn entries_that_cannot_be_read() {
        for text in ["a b:1", "10.0.0.0/33:1", "x:99999", "", "a..b:1", "http://a:1"] {
            assert!(Egress::new(&[text]).is_err(), "{text}");
        }
        assert_eq!(Egress::new(&vec!["a:1"; ALLOW_MAX + 1]).unwrap_err(), Error::TooMany);
    }
}
