//! Ordinary work: log-ins, programs, names looked up, pages served, files fetched, and the internet's usual knocking on SSH.
//!
//! Invariants: nothing here is an attack on Northwind; only a few guessed SSH names meet a rule, one of low severity.

use super::{PEOPLE, Script, address, stream, workstation};
use serde_json::json;
use stdx::Time;

/// Program, its folder, its parent.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("chrome.exe", "C:\\Program Files\\Google\\Chrome\\Application", "explorer.exe"),
    ("outlook.exe", "C:\\Program Files\\Microsoft Office\\root\\Office16", "explorer.exe"),
    ("excel.exe", "C:\\Program Files\\Microsoft Office\\root\\Office16", "explorer.exe"),
    ("clinicdesk.exe", "C:\\Program Files\\Northwind\\ClinicDesk", "explorer.exe"),
    ("dicomview.exe", "C:\\Program Files\\Northwind\\Imaging", "clinicdesk.exe"),
    ("svchost.exe", "C:\\Windows\\System32", "services.exe"),
    ("conhost.exe", "C:\\Windows\\System32", "cmd.exe"),
    ("taskhostw.exe", "C:\\Windows\\System32", "svchost.exe"),
    ("searchprotocolhost.exe", "C:\\Windows\\System32", "searchindexer.exe"),
    ("spoolsv.exe", "C:\\Windows\\System32", "services.exe"),
];
const NAMES: &[&str] = &[
    "mail.northwind.example",
    "clinicdesk.northwind.example",
    "imaging.northwind.example",
    "update.vendor.example",
    "time.northwind.example",
    "www.health-news.example",
    "cdn.maps.example",
];
const PAGES: &[&str] = &["/", "/appointments", "/contact", "/assets/site.css", "/doctors", "/directions", "/api/slots"];
const FILES: &[&str] =
    &["rota.xlsx", "invoice-0412.pdf", "referral.docx", "scan-2231.dcm", "minutes.docx", "price-list.pdf"];

/// One event of ordinary work.
pub(super) fn event(s: &mut Script, at: Time) {
    let person = s.rng.below(PEOPLE.len() as u64) as usize;
    match s.rng.below(1000) {
        0..=399 => program(s, at, person),
        400..=549 => name_lookup(s, at, person),
        550..=749 => page(s, at),
        750..=849 => file(s, at, person),
        850..=949 => log_in(s, at, person),
        950..=991 => server_process(s, at),
        992..=996 => administrator(s, at),
        _ => knocking(s, at),
    }
}

fn program(s: &mut Script, at: Time, person: usize) {
    let (name, folder, parent) = PROGRAMS[s.rng.below(PROGRAMS.len() as u64) as usize];
    let path = format!("{folder}\\{name}");
    let pid = 1000 + s.rng.below(20_000);
    s.add(
        at,
        stream::PROCESS,
        json!({
            "event": {"category": ["process"], "type": ["start"], "action": "start"},
            "host": {"name": workstation(person), "ip": [address(person)], "os": {"type": "windows"}},
            "user": {"name": PEOPLE[person].0},
            "process": {"name": name, "executable": path, "pid": pid, "args": [path], "args_count": 1, "command_line": format!("\"{path}\""),
                "parent": {"name": parent, "pid": pid - 400}},
        }),
    );
}

fn name_lookup(s: &mut Script, at: Time, person: usize) {
    let (name, port) = (s.pick(NAMES), 40_000 + s.rng.below(20_000));
    s.add(
        at,
        stream::DNS,
        json!({
            "event": {"category": ["network"], "type": ["protocol"], "action": "dns-query", "outcome": "success"},
            "host": {"name": workstation(person)},
            "source": {"ip": address(person), "port": port},
            "destination": {"ip": "10.20.1.2", "port": 53},
            "network": {"transport": "udp", "protocol": "dns"},
            "dns": {"question": {"name": name, "type": "A"}, "response_code": "NOERROR"},
        }),
    );
}

fn page(s: &mut Script, at: Time) {
    let (path, last, bytes) = (s.pick(PAGES), s.rng.below(250), 300 + s.rng.below(60_000));
    let status = if s.rng.chance(0.04) { 404 } else { 200 };
    s.add(
        at,
        stream::NGINX,
        json!({
            "event": {"category": ["web"], "type": ["access"], "outcome": if status == 200 { "success" } else { "failure" }},
            "host": {"name": "nwc-web01", "os": {"type": "linux"}},
            "source": {"ip": format!("192.0.2.{last}")},
            "url": {"path": path, "original": path},
            "http": {"request": {"method": "GET"}, "response": {"status_code": status, "body": {"bytes": bytes}}},
            "user_agent": {"original": "Mozilla/5.0"},
        }),
    );
}

fn file(s: &mut Script, at: Time, person: usize) {
    let (name, size) = (s.pick(FILES), 20_000 + s.rng.below(40_000_000));
    let action = if s.rng.chance(0.3) { "file-uploaded" } else { "file-downloaded" };
    s.add(
        at,
        stream::FILES,
        json!({
            "event": {"category": ["file"], "type": ["access"], "action": action, "outcome": "success"},
            "host": {"name": "nwc-files01"},
            "user": {"name": PEOPLE[person].0},
            "source": {"ip": address(person)},
            "file": {"name": name, "path": format!("/shares/{}/{name}", PEOPLE[person].1), "size": size},
        }),
    );
}

fn log_in(s: &mut Script, at: Time, person: usize) {
    // Now and then somebody mistypes, once, from inside.
    let failed = s.rng.chance(0.06);
    s.add(
        at,
        stream::IDP,
        json!({
            "event": {"category": ["authentication"], "type": ["start"], "action": "log-in", "outcome": if failed { "failure" } else { "success" }},
            "user": {"name": PEOPLE[person].0},
            "source": {"ip": address(person)},
            "host": {"name": "nwc-idp01"},
            "authentication": {"failed_attempts": u8::from(failed), "method": "password"},
        }),
    );
}

fn server_process(s: &mut Script, at: Time) {
    let jobs = [("logrotate", "cron"), ("apt-check", "cron"), ("nginx", "nginx"), ("php-fpm8.2", "php-fpm8.2")];
    let (name, parent) = jobs[s.rng.below(4) as usize];
    let pid = 500 + s.rng.below(30_000);
    s.add(
        at,
        stream::PROCESS,
        json!({
            "event": {"category": ["process"], "type": ["start"], "action": "exec"},
            "host": {"name": "nwc-web01", "ip": ["10.20.2.10"], "os": {"type": "linux"}},
            "user": {"name": if parent == "cron" { "root" } else { "www-data" }},
            "process": {"name": name, "args": [name], "args_count": 1, "command_line": name, "pid": pid, "parent": {"name": parent, "pid": 400}},
        }),
    );
}

fn administrator(s: &mut Script, at: Time) {
    s.add(
        at,
        stream::AUTH,
        json!({
            "event": {"category": ["authentication"], "type": ["start"], "action": "ssh_login", "outcome": "success"},
            "host": {"name": "nwc-web01", "os": {"type": "linux"}},
            "process": {"name": "sshd", "pid": 900},
            "user": {"name": "i.petrov"},
            "source": {"ip": address(8)},
        }),
    );
}

fn knocking(s: &mut Script, at: Time) {
    let (user, last) = (s.pick(&["root", "admin", "clinic", "test", "nagios"]), 100 + s.rng.below(20));
    s.add(
        at,
        stream::AUTH,
        json!({
            "event": {"category": ["authentication"], "type": ["start"], "action": "ssh_login", "outcome": "failure"},
            "host": {"name": "nwc-web01", "os": {"type": "linux"}},
            "process": {"name": "sshd", "pid": 900},
            "user": {"name": user},
            "source": {"ip": format!("203.0.113.{last}")},
        }),
    );
}
