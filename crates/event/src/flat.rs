//! The parse of an event: a flat table of its leaves, found by the hash of their dotted path.
//!
//! Invariants: nested and dotted spelling give the same path; array elements stand under their array's path; one arena holds all text;
//! nesting beyond `DEPTH_MAX` and more than `LEAVES_MAX` leaves are errors, never a stack overflow or unbounded memory.
//! Not here: the order of keys and the shape of objects (`Event::to_value`).

use crate::event::{Error, Scalar};
use crate::path::{FieldPath, hash_text};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::sync::OnceLock;

/// Deepest nesting of objects and arrays in an event.
pub const DEPTH_MAX: usize = 64;
/// Most leaves of one event.
pub const LEAVES_MAX: usize = 100_000;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
enum Leaf {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str { start: u32, end: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    path: (u32, u32),
    leaf: Leaf,
    /// Next entry of the same path, in document order.
    next: u32,
}

/// All leaves of one event.
#[derive(Debug)]
pub(crate) struct Flat {
    arena: String,
    entries: Vec<Entry>,
    /// Open addressing: index of the first entry of a path, or `NONE`.
    slots: Vec<u32>,
    /// Hash and name of every object that holds a leaf that is not null, sorted; made when first asked for.
    objects: OnceLock<Vec<(u64, (u32, u32))>>,
}

impl Flat {
    /// Parses a JSON object.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, Error> {
        if raw.len() >= NONE as usize / 4 {
            return Err(Error::Json("the document is too large".into()));
        }
        let text = std::str::from_utf8(raw)
            .map_err(|e| Error::Json(format!("invalid UTF-8 after byte {}", e.valid_up_to())))?;
        let mut build = Build {
            flat: Self {
                arena: String::with_capacity(text.len() + 512),
                entries: Vec::with_capacity(48),
                slots: Vec::new(),
                objects: OnceLock::new(),
            },
            path: String::with_capacity(96),
        };
        let mut de = sonic_rs::Deserializer::from_str(text);
        Root(&mut build).deserialize(&mut de).map_err(|e| error(&e))?;
        de.end().map_err(|e| error(&e))?;
        let mut flat = build.flat;
        flat.link();
        Ok(flat)
    }

    /// Fills the table; backwards, so that each chain is in document order.
    fn link(&mut self) {
        let size = (self.entries.len() * 2).next_power_of_two().max(8);
        let mask = size - 1;
        self.slots = vec![NONE; size];
        for i in (0..self.entries.len()).rev() {
            let (hash, path) = (self.entries[i].hash, self.entries[i].path);
            let mut at = hash as usize & mask;
            loop {
                let head = self.slots[at];
                if head == NONE {
                    self.slots[at] = i as u32;
                    break;
                }
                let other = &self.entries[head as usize];
                if other.hash == hash && (other.path == path || self.text(other.path) == self.text(path)) {
                    self.entries[i].next = head;
                    self.slots[at] = i as u32;
                    break;
                }
                at = (at + 1) & mask;
            }
        }
    }

    fn text(&self, (start, end): (u32, u32)) -> &str {
        &self.arena[start as usize..end as usize]
    }

    fn scalar(&self, leaf: Leaf) -> Scalar<'_> {
        match leaf {
            Leaf::Null => Scalar::Null,
            Leaf::Bool(b) => Scalar::Bool(b),
            Leaf::Int(i) => Scalar::Int(i),
            Leaf::Float(f) => Scalar::Float(f),
            Leaf::Str { start, end } => Scalar::Str(self.text((start, end))),
        }
    }

    fn head(&self, path: &FieldPath) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = path.hash as usize & mask;
        loop {
            let head = self.slots[at];
            if head == NONE {
                return NONE;
            }
            let entry = &self.entries[head as usize];
            if entry.hash == path.hash && self.text(entry.path) == &*path.text {
                return head;
            }
            at = (at + 1) & mask;
        }
    }

    /// True when `test` holds for any leaf under exactly `path`.
    pub(crate) fn any(&self, path: &FieldPath, test: &mut impl FnMut(Scalar<'_>) -> bool) -> bool {
        let mut at = self.head(path);
        while at != NONE {
            let entry = &self.entries[at as usize];
            if test(self.scalar(entry.leaf)) {
                return true;
            }
            at = entry.next;
        }
        false
    }

    /// True when a leaf that is not null stands under `path` or, where `path` names an object, below it.
    pub(crate) fn exists(&self, path: &FieldPath) -> bool {
        if self.any(path, &mut |s| !matches!(s, Scalar::Null)) {
            return true;
        }
        let objects = self.objects.get_or_init(|| self.objects());
        let from = objects.partition_point(|o| o.0 < path.hash);
        objects[from..].iter().take_while(|o| o.0 == path.hash).any(|o| self.text(o.1) == &*path.text)
    }

    fn objects(&self) -> Vec<(u64, (u32, u32))> {
        let mut out: Vec<(u64, (u32, u32))> = Vec::new();
        for entry in self.entries.iter().filter(|e| !matches!(e.leaf, Leaf::Null)) {
            let text = self.text(entry.path);
            for at in memchr::memchr_iter(b'.', text.as_bytes()) {
                out.push((hash_text(&text[..at]), (entry.path.0, entry.path.0 + at as u32)));
            }
        }
        out.sort_unstable_by_key(|o| o.0);
        out.dedup_by(|a, b| a.0 == b.0 && self.text(a.1) == self.text(b.1));
        out
    }

    /// Every leaf with its dotted path, in document order.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = (&str, Scalar<'_>)> {
        self.entries.iter().map(|e| (self.text(e.path), self.scalar(e.leaf)))
    }

    /// As `leaves`, with the hash of each path.
    pub(crate) fn hashed(&self) -> impl Iterator<Item = (u64, &str, Scalar<'_>)> {
        self.entries.iter().map(|e| (e.hash, self.text(e.path), self.scalar(e.leaf)))
    }
}

fn error(e: &sonic_rs::Error) -> Error {
    let text = e.to_string();
    match text.strip_prefix(NOT_OBJECT) {
        Some(rest) => Error::NotObject(match rest.split([' ', '\n']).next() {
            Some("array") => "array",
            Some("string") => "string",
            Some("number") => "number",
            Some("boolean") => "boolean",
            _ => "null",
        }),
        None => Error::Json(text.lines().next().unwrap_or_default().to_owned()),
    }
}

const NOT_OBJECT: &str = "not an object: ";

struct Build {
    flat: Flat,
    path: String,
}

impl Build {
    fn push<E: serde::de::Error>(&mut self, path: (u32, u32), hash: u64, leaf: Leaf) -> Result<(), E> {
        if self.flat.entries.len() >= LEAVES_MAX {
            return Err(E::custom("too many fields"));
        }
        self.flat.entries.push(Entry { hash, path, leaf, next: NONE });
        Ok(())
    }
    fn store(&mut self, text: &str) -> (u32, u32) {
        let start = self.flat.arena.len() as u32;
        self.flat.arena.push_str(text);
        (start, self.flat.arena.len() as u32)
    }
}

/// The document itself: must be an object.
struct Root<'b>(&'b mut Build);

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

macro_rules! not_object {
    ($($name:ident($t:ty) $what:literal;)*) => {$(
        fn $name<E: serde::de::Error>(self, _: $t) -> Result<(), E> {
            Err(E::custom(concat!("not an object: ", $what)))
        }
    )*};
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        members(self.0, map, 1)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Err(A::Error::custom("not an object: array"))
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Err(E::custom("not an object: null"))
    }
    not_object! {
        visit_bool(bool) "boolean";
        visit_i64(i64) "number";
        visit_u64(u64) "number";
        visit_f64(f64) "number";
        visit_str(&str) "string";
    }
}

/// Reads the members of an object; `path` is the object's own path.
fn members<'de, A: MapAccess<'de>>(build: &mut Build, mut map: A, depth: usize) -> Result<(), A::Error> {
    if depth > DEPTH_MAX {
        return Err(A::Error::custom("nested too deeply"));
    }
    let base = build.path.len();
    while map.next_key_seed(Key { build, base, dot: depth > 1 })?.is_some() {
        map.next_value_seed(Node { build, depth, place: None })?;
    }
    build.path.truncate(base);
    Ok(())
}

/// Appends a key to the path.
struct Key<'b> {
    build: &'b mut Build,
    base: usize,
    dot: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.build.path.truncate(self.base);
        if self.dot {
            self.build.path.push('.');
        }
        self.build.path.push_str(key);
        Ok(())
    }
}

/// A value under the current path; `place` is where the path already stands in the arena (array elements share it).
struct Node<'b> {
    build: &'b mut Build,
    depth: usize,
    place: Option<((u32, u32), u64)>,
}

impl Node<'_> {
    fn place(&mut self) -> ((u32, u32), u64) {
        let Self { build, place, .. } = self;
        *place.get_or_insert_with(|| {
            let start = build.flat.arena.len() as u32;
            build.flat.arena.push_str(&build.path);
            ((start, build.flat.arena.len() as u32), hash_text(&build.path))
        })
    }
    fn leaf<E: serde::de::Error>(mut self, leaf: Leaf) -> Result<(), E> {
        let (path, hash) = self.place();
        self.build.push(path, hash, leaf)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.leaf(Leaf::Null)
    }
    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<(), E> {
        self.leaf(Leaf::Bool(v))
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<(), E> {
        self.leaf(Leaf::Int(v))
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<(), E> {
        self.leaf(i64::try_from(v).map_or(Leaf::Float(v as f64), Leaf::Int))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<(), E> {
        self.leaf(Leaf::Float(v))
    }
    fn visit_str<E: serde::de::Error>(mut self, v: &str) -> Result<(), E> {
        let (path, hash) = self.place();
        let (start, end) = self.build.store(v);
        self.build.push(path, hash, Leaf::Str { start, end })
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        if self.depth >= DEPTH_MAX {
            return Err(A::Error::custom("nested too deeply"));
        }
        let place = Some(self.place());
        while seq.next_element_seed(Node { build: self.build, depth: self.depth + 1, place })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        members(self.build, map, self.depth + 1)
    }
}
