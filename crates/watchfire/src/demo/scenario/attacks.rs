//! The three attacks, each as a short story.
//!
//! Invariants: times are fixed within the night, so that a later stage always follows its cause.

use super::{Script, stream};
use serde_json::json;

/// Where the guessed password is used from.
const GUESSER: &str = "198.51.100.23";
/// Who found the upload form.
const VISITOR: &str = "203.0.113.45";
/// From where somebody sits on the application server.
const INTRUDER: &str = "203.0.113.66";

/// Five failed log-ins of `m.keller`, a success, and 1.9 GB of patient files.
pub(super) fn password_guessing(s: &mut Script) {
    for attempt in 0..6_i64 {
        let success = attempt == 5;
        s.add(
            s.at(16, attempt * 11),
            stream::IDP,
            json!({
                "event": {"category": ["authentication"], "type": ["start"], "action": "log-in", "outcome": if success { "success" } else { "failure" },
                    "reason": if success { "password accepted" } else { "wrong password" }},
                "user": {"name": "m.keller"},
                "source": {"ip": GUESSER, "geo": {"country_iso_code": "ZZ"}},
                "host": {"name": "nwc-idp01"},
                "authentication": {"failed_attempts": if success { 5 } else { attempt + 1 }, "method": "password"},
                "user_agent": {"original": "python-requests/2.32"},
            }),
        );
    }
    for (minute, name, size) in
        [(19, "billing-2025.xlsx", 8_400_000_i64), (21, "patients-2019-2025.zip", 1_934_000_000)]
    {
        s.add(
            s.at(minute, 20),
            stream::FILES,
            json!({
                "event": {"category": ["file"], "type": ["access"], "action": "file-downloaded", "outcome": "success"},
                "host": {"name": "nwc-files01"},
                "user": {"name": "m.keller"},
                "source": {"ip": GUESSER},
                "file": {"name": name, "path": format!("/shares/billing/{name}"), "size": size},
            }),
        );
    }
}

/// A script uploaded through the appointment form is called; PHP starts a shell.
pub(super) fn web_shell(s: &mut Script) {
    let requests = [
        (30, 5, "GET", "/appointments", 200),
        (30, 41, "POST", "/appointments/upload", 302),
        (31, 2, "GET", "/uploads/2026/form.php", 200),
        (31, 9, "POST", "/uploads/2026/form.php", 200),
    ];
    for (minute, second, method, path, status) in requests {
        s.add(
            s.at(minute, second),
            stream::NGINX,
            json!({
                "event": {"category": ["web"], "type": ["access"], "outcome": "success"},
                "host": {"name": "nwc-web01", "os": {"type": "linux"}},
                "source": {"ip": VISITOR},
                "url": {"path": path, "original": path},
                "http": {"request": {"method": method}, "response": {"status_code": status, "body": {"bytes": 812}}},
                "user_agent": {"original": "curl/8.5.0"},
            }),
        );
    }
    let commands = [
        (31, 9, "sh", "php-fpm8.2", &["sh", "-c", "id; uname -a; ls -la /var/www"][..]),
        (31, 10, "id", "sh", &["id"]),
        (31, 10, "uname", "sh", &["uname", "-a"]),
        (31, 11, "ls", "sh", &["ls", "-la", "/var/www"]),
    ];
    for (i, (minute, second, name, parent, args)) in commands.into_iter().enumerate() {
        s.add(
            s.at(minute, second),
            stream::PROCESS,
            json!({
                "event": {"category": ["process"], "type": ["start"], "action": "exec"},
                "host": {"name": "nwc-web01", "ip": ["10.20.2.10"], "os": {"type": "linux"}},
                "user": {"name": "www-data"},
                "source": {"ip": VISITOR},
                "process": {"name": name, "args": args, "args_count": args.len(), "command_line": args.join(" "),
                    "pid": 24_100 + i, "working_directory": "/var/www/uploads/2026", "parent": {"name": parent, "pid": 611}},
            }),
        );
    }
}

/// Somebody on the application server makes an event subscription that starts a program at every boot.
pub(super) fn wmi_persistence(s: &mut Script) {
    let host =
        json!({"name": "nwc-srv02", "ip": ["10.20.2.22"], "os": {"type": "windows", "name": "Windows Server 2022"}});
    let user = json!({"name": "svc-imaging", "domain": "NORTHWIND"});
    s.add(
        s.at(40, 0),
        stream::SECURITY,
        json!({
            "event": {"category": ["authentication"], "type": ["start"], "action": "logged-in", "outcome": "success", "code": "4624",
                "provider": "Microsoft-Windows-Security-Auditing"},
            "host": host, "user": user, "source": {"ip": INTRUDER}, "winlog": {"event_data": {"LogonType": "10"}},
        }),
    );
    let steps = [
        (
            35,
            "19",
            "Filter",
            "SELECT * FROM __InstanceModificationEvent WITHIN 60 WHERE TargetInstance ISA 'Win32_PerfFormattedData_PerfOS_System'",
        ),
        (38, "20", "Consumer", "C:\\ProgramData\\Imaging\\upkeep.exe"),
        (41, "21", "Binding", "CommandLineEventConsumer.Name=\"Upkeep\" to __EventFilter.Name=\"Upkeep\""),
    ];
    for (second, code, what, text) in steps {
        s.add(
            s.at(41, second),
            stream::SYSMON,
            json!({
                "event": {"category": ["configuration"], "type": ["creation"], "action": "wmi-event", "code": code, "provider": "Microsoft-Windows-Sysmon"},
                "host": host, "user": user, "source": {"ip": INTRUDER},
                "message": format!("{what} created: {text}"),
                "winlog": {"channel": "Microsoft-Windows-Sysmon/Operational", "event_data": {"Operation": "Created", what: text}},
            }),
        );
    }
    s.add(
        s.at(43, 2),
        stream::PROCESS,
        json!({
            "event": {"category": ["process"], "type": ["start"], "action": "start"},
            "host": host, "user": {"name": "SYSTEM"},
            "process": {"name": "upkeep.exe", "executable": "C:\\ProgramData\\Imaging\\upkeep.exe", "pid": 5120, "args": ["C:\\ProgramData\\Imaging\\upkeep.exe"],
                "args_count": 1, "command_line": "C:\\ProgramData\\Imaging\\upkeep.exe", "parent": {"name": "scrcons.exe", "pid": 4990}},
        }),
    );
}
