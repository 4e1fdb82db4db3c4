//! The standard analyser: text to lower-case word tokens.
//!
//! Invariants: tokens are borrowed slices of the text in order; comparing folds case; a token holds at least one letter or digit.
//! Source: word boundaries of UAX #29 as the `standard` analyser of Elasticsearch uses them, without its script-specific rules.

/// The words of `text` in order, in the case they are written.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(is_word)?;
            rest = &rest[start..];
            let end = word_end(rest);
            let (word, tail) = rest.split_at(end);
            rest = tail;
            if word.contains(char::is_alphanumeric) {
                return Some(word);
            }
        }
    })
}

/// The tokens of `text`: its words in lower case.
pub fn tokens(text: &str) -> Vec<Box<str>> {
    words(text).map(|w| w.to_lowercase().into()).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the word that `text` starts with ends: joined by `. ' : ·` between letters and by `. , ' ;` between digits.
fn word_end(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    let mut before = None::<char>;
    while let Some((at, c)) = chars.next() {
        if is_word(c) {
            before = Some(c);
            continue;
        }
        let after = chars.peek().map(|(_, c)| *c);
        let joins = match (before, after) {
            (Some(b), Some(a)) if b.is_alphabetic() && a.is_alphabetic() => {
                matches!(c, '.' | '\'' | ':' | '\u{b7}' | '\u{2019}')
            }
            (Some(b), Some(a)) if b.is_numeric() && a.is_numeric() => matches!(c, '.' | ',' | '\'' | ';'),
            _ => false,
        };
        if !joins {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_as_the_standard_analyser_does() {
        let split = |t| words(t).collect::<Vec<_>>();
        assert_eq!(split("Invoke-Mimikatz -DumpCreds"), ["Invoke", "Mimikatz", "DumpCreds"]);
        assert_eq!(split("[System.Reflection.Assembly]::Load($x)"), ["System.Reflection.Assembly", "Load", "x"]);
        assert_eq!(split("don't 1,024.5 foo_bar a.1 __"), ["don't", "1,024.5", "foo_bar", "a", "1"]);
        assert_eq!(split("C:\\Windows\\cmd.exe"), ["C", "Windows", "cmd.exe"]);
        assert_eq!(split(""), Vec::<&str>::new());
        assert_eq!(tokens("Über STRASSE").iter().map(|t| &**t).collect::<Vec<_>>(), ["über", "strasse"]);
    }
}
