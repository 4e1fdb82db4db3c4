//! The egress guard: which hosts and addresses the product may reach.
//!
//! Invariants: private, loopback, link-local, shared, documentation, multicast and metadata addresses are refused unless `host:port` is
//! allowed by name; an IP literal is checked before anything is sent; the address that was checked is the one that is dialled.
//! Not here: redirects (`http` follows them by hand, through the same guard).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Allowed pairs at most.
pub const ALLOW_MAX: usize = 1024;

/// Who may be reached.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allow: Vec<(String, Option<u16>)>,
}

/// Why a target is refused; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The address is not public and not allowed.
    #[error(
        "egress to `{host}:{port}` is refused: {address} is not a public address and the pair is not in [egress] allow"
    )]
    Private {
        /// Host as written.
        host: String,
        /// Port.
        port: u16,
        /// Address it stands for.
        address: IpAddr,
    },
    /// The name does not resolve.
    #[error("`{host}` does not resolve: {why}")]
    Unresolved {
        /// Host.
        host: String,
        /// What the resolver said.
        why: String,
    },
}

impl Guard {
    /// Reads `host:port`, `host` (any port) or `[v6]:port` pairs.
    ///
    /// - errors: a pair that cannot be read, or more than `ALLOW_MAX`.
    pub fn new(allow: &[String]) -> Result<Self, String> {
        if allow.len() > ALLOW_MAX {
            return Err(format!("[egress] allow holds {} pairs, at most {ALLOW_MAX}", allow.len()));
        }
        let pair = |text: &String| -> Result<(String, Option<u16>), String> {
            let text = text.trim();
            if let Some(rest) = text.strip_prefix('[') {
                let (host, port) = rest.split_once(']').ok_or_else(|| format!("`{text}` is not host:port"))?;
                let port = match port.strip_prefix(':') {
                    Some(p) => Some(p.parse().map_err(|_| format!("`{p}` is not a port"))?),
                    None => None,
                };
                return Ok((host.to_ascii_lowercase(), port));
            }
            match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') => {
                    Ok((host.to_ascii_lowercase(), Some(port.parse().map_err(|_| format!("`{port}` is not a port"))?)))
                }
                _ => Ok((text.to_ascii_lowercase(), None)),
            }
        };
        Ok(Self { allow: allow.iter().filter(|t| !t.trim().is_empty()).map(pair).collect::<Result<_, _>>()? })
    }

    /// True when the pair was allowed by name.
    pub fn is_allowed(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        self.allow.iter().any(|(h, p)| *h == host && p.is_none_or(|p| p == port))
    }

    /// Checks one address that `host` stands for.
    pub fn check(&self, host: &str, port: u16, address: IpAddr) -> Result<(), Refused> {
        if is_public(address) || self.is_allowed(host, port) {
            return Ok(());
        }
        Err(Refused::Private { host: host.to_owned(), port, address })
    }

    /// Resolves `host` and keeps the addresses that may be dialled.
    ///
    /// - errors: the name does not resolve, or none of its addresses may be reached.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refused> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            self.check(host, port, address)?;
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = tokio::net::lookup_host((bare, port))
            .await
            .map_err(|e| Refused::Unresolved { host: host.to_owned(), why: e.to_string() })?;
        let mut good = Vec::new();
        let mut refused = None;
        for address in found {
            match self.check(host, port, address.ip()) {
                Ok(()) => good.push(address),
                Err(e) => refused = Some(e),
            }
        }
        match refused {
            Some(e) if good.is_empty() => Err(e),
            _ if good.is_empty() => Err(Refused::Unresolved { host: host.to_owned(), why: "no address".into() }),
            _ => Ok(good),
        }
    }
}

/// True for addresses of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => public_v6(v6),
    }
}

const fn public_v4(a: Ipv4Addr) -> bool {
    let [b0, b1, b2, _] = a.octets();
    !(a.is_private()
        || a.is_loopback()
        || a.is_link_local()
        || a.is_broadcast()
        || a.is_documentation()
        || a.is_multicast()
        || b0 == 0
        || b0 >= 240
        || (b0 == 100 && b1 >= 64 && b1 < 128) // shared address space of carriers
        || (b0 == 192 && b1 == 0 && b2 == 0) // protocol assignments
        || (b0 == 198 && (b1 == 18 || b1 == 19))) // benchmarks
}

fn public_v6(a: Ipv6Addr) -> bool {
    if let Some(v4) = a.to_ipv4_mapped() {
        return public_v4(v4);
    }
    let s = a.segments();
    let embedded = Ipv4Addr::new((s[6] >> 8) as u8, s[6] as u8, (s[7] >> 8) as u8, s[7] as u8);
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return public_v4(embedded); // NAT64
    }
    if s[..6] == [0; 6] {
        return false; // unspecified, loopback, v4-compatible
    }
    if s[0] == 0x2002 {
        return public_v4(Ipv4Addr::new((s[1] >> 8) as u8, s[1] as u8, (s[2] >> 8) as u8, s[2] as u8)); // 6to4
    }
    let unique_local = (s[0] & 0xfe00) == 0xfc00;
    let link_local = (s[0] & 0xffc0) == 0xfe80;
    let local_nat64 = s[0] == 0x64 && s[1] == 0xff9b;
    let documentation = (s[0] == 0x2001 && s[1] == 0xdb8) || (s[0] & 0xfff0) == 0x3ff0;
    !(unique_local
        || link_local
        || local_nat64
        || documentation
        || a.is_multicast()
        || (s[0] == 0x2001 && s[1] < 0x200)
        || s[0] == 0x100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_public_addresses_in_every_disguise_are_refused() {
        for a in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2002:7f00:1::1",
            "::127.0.0.1",
            "2001:db8::1",
        ] {
            assert!(!is_public(a.parse().unwrap()), "{a}");
        }
        for a in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"] {
            assert!(is_public(a.parse().unwrap()), "{a}");
        }
    }

    #[test]
    fn allowed_pairs_are_exact() {
        let guard = Guard::new(&["127.0.0.1:9100".into(), "Files.corp".into(), "[::1]:80".into()]).unwrap();
        assert!(guard.check("127.0.0.1", 9100, "127.0.0.1".parse().unwrap()).is_ok());
        assert!(guard.check("127.0.0.1", 9101, "127.0.0.1".parse().unwrap()).is_err());
        assert!(guard.check("files.corp", 445, "10.0.0.9".parse().unwrap()).is_ok());
        assert!(guard.check("[::1]", 80, "::1".parse().unwrap()).is_ok());
        assert!(Guard::new(&["a:99999".into()]).is_err());
    }
}
