//! A small XML document as a tree.
//!
//! Invariants: no document type, no entities but the five of XML and character references; depth, elements and bytes have limits.
//! Not here: what the elements mean (`soap`, `powershell`).

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// Bytes of a document at most; hosts send 500 KiB unless told otherwise, and are told less.
pub const BYTES_MAX: usize = 2 << 20;
/// Nested elements at most; envelopes have about ten.
const DEPTH_MAX: usize = 32;
/// Elements at most; an answer of small pieces of output has some hundreds.
const ELEMENTS_MAX: usize = 20_000;
/// Attributes of an element at most.
const ATTRIBUTES_MAX: usize = 32;

/// An element: names are without their prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// Text directly inside.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }
    /// The element that a path of names leads to.
    pub fn path(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |at, name| at.child(name))
    }
    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// The first element of that name at any depth below.
    pub fn find(&self, name: &str) -> Option<&Self> {
        self.children.iter().find_map(|c| if c.name == name { Some(c) } else { c.find(name) })
    }
}

/// The root element.
///
/// - errors: a document that is not well formed, or beyond the limits, in words.
pub fn parse(text: &str) -> Result<Element, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("it has more than {BYTES_MAX} bytes"));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err("it is nested too deeply or has too many elements".into());
                }
                open.push(element(&start)?);
            }
            Event::End(_) => {
                let done = open.pop().ok_or("an element ends that never began")?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Ok(done),
                }
            }
            Event::Text(text) => put(&mut open, &text.xml10_content()),
            Event::CData(text) => put(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let one = match reference.resolve_char_ref().map_err(|e| e.to_string())? {
                    Some(c) => c,
                    None => match &*reference.into_inner() {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "apos" => '\'',
                        "quot" => '"',
                        other => return Err(format!("entity `{other}` is not known")),
                    },
                };
                put(&mut open, one.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => return Err("it has a document type".into()),
            Event::Eof => return Err("it ends too early".into()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
    }
}

fn put(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        if attributes.len() >= ATTRIBUTES_MAX {
            return Err("an element has too many attributes".into());
        }
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|e| e.to_string())?.into_owned();
        attributes.push((attribute.key.local_name().into_inner().to_string(), value));
    }
    let name = start.local_name().into_inner().to_string();
    Ok(Element { name, attributes, ..Element::default() })
}

/// Text as it stands in an element or attribute; a carriage return would not survive as itself.
pub fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).replace('\r', "&#13;").replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_text_and_references() {
        let root = parse(
            "<?xml version=\"1.0\"?><!-- c --><s:a xmlns:s='x' s:k='1 &amp; 2'><b>one &lt;&#x41;&#10;</b><b><![CDATA[<two>]]></b><c/></s:a>",
        )
        .unwrap();
        assert_eq!((root.name.as_str(), root.attribute("k")), ("a", Some("1 & 2")));
        let texts: Vec<_> = root.children.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(texts, ["one <A\n", "<two>", ""]);
        assert_eq!(root.find("c").map(|c| c.children.len()), Some(0));
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let text = "a<b>&\"'\r\n\té\u{1f525}";
        assert_eq!(parse(&format!("<a k=\"{0}\">{0}</a>", escape(text))).unwrap().text, text);
        assert_eq!(parse(&format!("<a k=\"{}\"/>", escape(text))).unwrap().attribute("k"), Some(text));
    }

    #[test]
    fn documents_that_are_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a b=1/>",
            "<a b='1' b='2'/>",
            "<a>&lol;</a>",
            "<!DOCTYPE a [<!ENTITY l 'x'>]><a>&l;</a>",
            "<a>&#0;</a>",
            &("<a>".repeat(40) + &"</a>".repeat(40)),
            &format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX)),
            &" ".repeat(BYTES_MAX + 1),
        ] {
            assert!(parse(text).is_err(), "{}", text.chars().take(60).collect::<String>());
        }
    }
}
