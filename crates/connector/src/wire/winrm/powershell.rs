//! PowerShell over a command line: scripts as one encoded argument, its error records as text again.
//!
//! Invariants: a script arrives as it was written, whatever characters it has; what cannot be read stays as it came.
//! Source: `powershell -?` (EncodedCommand); MS-PSRP 2.2.5.3 (CLIXML escapes of strings).

use super::ntlm::utf16;
use super::xml::{self, Element};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// First line of standard error when PowerShell writes records.
const CLIXML: &str = "#< CLIXML";

/// The command line that runs a script.
pub fn command_line(script: &str) -> String {
    format!("powershell -NoProfile -NonInteractive -EncodedCommand {}", STANDARD.encode(utf16(script)))
}

/// Standard error with PowerShell's records as the text that they show; progress is left out.
pub fn readable(stderr: &str) -> String {
    let Some(at) = stderr.find(CLIXML) else { return stderr.to_string() };
    let (before, records) = stderr.split_at(at);
    let mut out = before.to_string();
    let mut rest = records;
    while !rest.is_empty() {
        let document = rest.strip_prefix(CLIXML).unwrap_or(rest).trim_start_matches(['\r', '\n']);
        let Some(document) = document.strip_prefix("<Objs").map(|_| document) else {
            // Text that programs wrote between the documents.
            let end =
                rest.get(1..).and_then(|r| r.find(CLIXML).or_else(|| r.find("<Objs"))).map_or(rest.len(), |n| n + 1);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        };
        let Some(end) = document.find("</Objs>").map(|n| n + "</Objs>".len()) else {
            // Cut off: the whole records of it can still be read.
            let whole = document.rfind("</S>").map_or("", |n| &document[..n + "</S>".len()]);
            match xml::parse(&format!("{whole}</Objs>")) {
                Ok(objects) => show(&objects, &mut out),
                Err(_) => out.push_str(document),
            }
            break;
        };
        match xml::parse(&document[..end]) {
            Ok(objects) => show(&objects, &mut out),
            Err(_) => out.push_str(&document[..end]),
        }
        rest = document[end..].trim_start_matches(['\r', '\n']);
    }
    out
}

fn show(objects: &Element, out: &mut String) {
    for record in &objects.children {
        let label = match (record.name.as_str(), record.attribute("S")) {
            ("S", Some("Error" | "error" | "Output" | "output")) => "",
            ("S", Some("Warning" | "warning")) => "WARNING: ",
            ("S", Some("Verbose" | "verbose")) => "VERBOSE: ",
            ("S", Some("Debug" | "debug")) => "DEBUG: ",
            _ => continue,
        };
        out.push_str(label);
        out.push_str(&unescape(&record.text));
        if !label.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
    }
}

/// Characters written as `_xHHHH_`.
fn unescape(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        units.extend(rest[..at].encode_utf16());
        let tail = &rest[at..];
        let code = tail.get(2..6).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()) && tail[6..].starts_with('_'));
        match code.and_then(|h| u16::from_str_radix(h, 16).ok()) {
            Some(unit) => {
                units.push(unit);
                rest = &tail[7..];
            }
            None => {
                units.extend("_x".encode_utf16());
                rest = &tail[2..];
            }
        }
    }
    units.extend(rest.encode_utf16());
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_one_argument_in_utf16() {
        let line = command_line("Write-Output 'ü'");
        let encoded = line.strip_prefix("powershell -NoProfile -NonInteractive -EncodedCommand ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), utf16("Write-Output 'ü'"));
    }

    #[test]
    fn error_records_become_text() {
        let check = |stderr: &str, expected: &str| assert_eq!(readable(stderr), expected, "{stderr}");
        let head = "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">";
        let progress = "<Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>System.Management.Automation.PSCustomObject</T></TN><MS><I64 N=\"SourceId\">1</I64></MS></Obj>";
        check("plain text\r\n", "plain text\r\n");
        check("", "");
        check(
            &format!(
                "{head}{progress}<S S=\"Error\">foo : The term &apos;foo&apos; is not recognized_x000D__x000A_</S><S S=\"Error\">At line:1_x000D__x000A_</S></Objs>"
            ),
            "foo : The term 'foo' is not recognized\r\nAt line:1\r\n",
        );
        check(&format!("{head}{progress}</Objs>"), "");
        check(
            &format!("{head}<S S=\"warning\">low disk</S><S S=\"debug\">d</S></Objs>"),
            "WARNING: low disk\nDEBUG: d\n",
        );
        // Two documents, one first line, text of a program before and between.
        check(
            &format!(
                "tool: bad\r\n{head}<S S=\"Error\">one_x000A_</S></Objs>between\n{head}<S S=\"Error\">two</S></Objs>"
            ),
            "tool: bad\r\none\nbetween\ntwo",
        );
        // Cut off at the cap.
        check(&format!("{head}<S S=\"Error\">whole_x000A_</S><S S=\"Error\">par"), "whole\n");
        let broken = "#< CLIXML\r\n<Objs><S S=\"Error\">a</T></Objs>";
        check(broken, "<Objs><S S=\"Error\">a</T></Objs>");
    }

    #[test]
    fn escapes_of_characters() {
        assert_eq!(unescape("a_x000A_b_xD83D__xDD25__x005F_x000A__x12"), "a\nb\u{1f525}_x000A__x12");
        assert_eq!(unescape("_x_xZZZZ__xü00A_"), "_x_xZZZZ__xü00A_");
    }
}
