//! IP addresses and CIDR blocks on one 128-bit line.
//!
//! Invariants: an IPv4 address is its IPv4-mapped IPv6 address, so order and containment need one comparison; text that is no address is `None`.
//! Source: `ip` fields of Elasticsearch.

use std::net::IpAddr;

/// The address as a 128-bit number; IPv4 is mapped into `::ffff:0:0/96`.
pub fn parse_ip(text: &str) -> Option<u128> {
    match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => Some(v4.to_ipv6_mapped().to_bits()),
        IpAddr::V6(v6) => Some(v6.to_bits()),
    }
}

/// An address block; a single address is a block of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// First address.
    pub first: u128,
    /// Last address.
    pub last: u128,
}

impl Cidr {
    /// Parses `10.0.0.0/8`, `fe80::/10` or a single address; host bits are ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let ip = address.parse::<IpAddr>().ok()?;
        let (base, width) = if ip.is_ipv4() { (96, 32) } else { (0, 128) };
        let bits: u32 = match bits {
            Some(b) if !b.is_empty() && b.len() <= 3 && b.bytes().all(|c| c.is_ascii_digit()) => b.parse().ok()?,
            Some(_) => return None,
            None => width,
        };
        if bits > width {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - (base + bits)).unwrap_or(0);
        let at = parse_ip(address)?;
        Some(Self { first: at & mask, last: at | !mask })
    }

    /// True when `address` lies in the block.
    pub const fn contains(&self, address: u128) -> bool {
        self.first <= address && address <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(block: &str, address: &str) -> bool {
        Cidr::parse(block).unwrap().contains(parse_ip(address).unwrap())
    }

    #[test]
    fn blocks_contain_their_addresses() {
        assert!(inside("10.0.0.0/8", "10.255.0.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.0"));
        assert!(inside("192.168.1.7", "192.168.1.7"));
        assert!(inside("fe80::/10", "fe80::1"));
        assert!(!inside("fe80::/10", "10.0.0.1"));
        assert!(inside("0.0.0.0/0", "1.2.3.4"));
        assert!(!inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("::/0", "1.2.3.4"));
        assert!(inside("10.1.2.3/16", "10.1.9.9"));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::1/129", "a/8", "10.0.0.0/+8", "10.0.0.0/8/8"] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
