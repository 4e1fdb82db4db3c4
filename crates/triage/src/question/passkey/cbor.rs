//! As much of CBOR as authenticators write: items of definite length.
//!
//! Invariants: reads at most `ITEMS_MAX` items, `DEPTH_MAX` deep; never panics; what it does not know is no item.
//! Not here: what the items mean (`passkey`).
//! Source: RFC 8949; CTAP 2.1 §8 (canonical form).

/// Items of one text at most.
const ITEMS_MAX: usize = 1_000;
/// Nesting at most.
const DEPTH_MAX: usize = 8;

/// A data item.
#[derive(Debug, PartialEq)]
pub(super) enum Item<'a> {
    /// A number.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// A list.
    Array(Vec<Item<'a>>),
    /// Pairs in order.
    Map(Vec<(Item<'a>, Item<'a>)>),
    /// `false`, `true`, `null` and the like.
    Simple(u8),
}

impl<'a> Item<'a> {
    /// The member of a map with a text as its key.
    pub(super) fn member(&self, name: &str) -> Option<&Item<'a>> {
        self.pair(|key| matches!(key, Item::Text(t) if *t == name))
    }
    /// The member of a map with a number as its key.
    pub(super) fn labelled(&self, label: i64) -> Option<&Item<'a>> {
        self.pair(|key| matches!(key, Item::Int(n) if *n == label))
    }
    fn pair(&self, is: impl Fn(&Item<'a>) -> bool) -> Option<&Item<'a>> {
        match self {
            Item::Map(pairs) => pairs.iter().find(|(k, _)| is(k)).map(|(_, v)| v),
            _ => None,
        }
    }
}

/// The first item, and what follows it.
pub(super) fn read(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let mut left = ITEMS_MAX;
    item(bytes, 0, &mut left)
}

fn item<'a>(bytes: &'a [u8], depth: usize, left: &mut usize) -> Option<(Item<'a>, &'a [u8])> {
    *left = left.checked_sub(1)?;
    if depth > DEPTH_MAX {
        return None;
    }
    let (first, rest) = bytes.split_first()?;
    let (major, short) = (first >> 5, first & 0x1f);
    let (n, mut rest) = match short {
        0..=23 => (u64::from(short), rest),
        24..=27 => {
            let (head, rest) = rest.split_at_checked(1 << (short - 24))?;
            (head.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)), rest)
        }
        _ => return None,
    };
    let count = usize::try_from(n).ok();
    Some(match major {
        0 => (Item::Int(i64::try_from(n).ok()?), rest),
        1 => (Item::Int(-1 - i64::try_from(n).ok()?), rest),
        2 | 3 => {
            let (content, rest) = rest.split_at_checked(count?)?;
            let item = if major == 2 { Item::Bytes(content) } else { Item::Text(std::str::from_utf8(content).ok()?) };
            (item, rest)
        }
        4 => {
            let mut list = Vec::new();
            for _ in 0..count? {
                let (one, after) = item(rest, depth + 1, left)?;
                list.push(one);
                rest = after;
            }
            (Item::Array(list), rest)
        }
        5 => {
            let mut pairs = Vec::new();
            for _ in 0..count? {
                let (key, after) = item(rest, depth + 1, left)?;
                let (value, after) = item(after, depth + 1, left)?;
                pairs.push((key, value));
                rest = after;
            }
            (Item::Map(pairs), rest)
        }
        7 if short < 24 => (Item::Simple(short), rest),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_as_authenticators_write_them() {
        let bytes =
            [0xa3, 0x01, 0x02, 0x63, b'f', b'm', b't', 0x64, b'n', b'o', b'n', b'e', 0x26, 0x82, 0xf5, 0x42, 1, 2, 9];
        let (map, rest) = read(&bytes).unwrap();
        assert_eq!(map.labelled(1), Some(&Item::Int(2)));
        assert_eq!(map.member("fmt"), Some(&Item::Text("none")));
        assert_eq!(map.labelled(-7), Some(&Item::Array(vec![Item::Simple(21), Item::Bytes(&[1, 2])])));
        assert_eq!(rest, [9]);
        assert_eq!(read(&[0x19, 0x01, 0x00]).unwrap().0, Item::Int(256));
    }

    #[test]
    fn what_is_cut_nested_or_endless_is_no_item() {
        assert!(read(&[]).is_none());
        assert!(read(&[0x42, 1]).is_none(), "cut");
        assert!(read(&[0x5f]).is_none(), "of indefinite length");
        assert!(read(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_none(), "a length beyond all bounds");
        assert!(read(&[0x81; 64]).is_none(), "nested");
        let mut many = vec![0x99, 0x10, 0x00];
        many.extend([0u8; 4096]);
        assert!(read(&many).is_none(), "more than {ITEMS_MAX}");
    }
}
