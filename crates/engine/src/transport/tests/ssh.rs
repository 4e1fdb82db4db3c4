//! SSH against a server in this process that misbehaves on purpose, and against the sshd of the machine.

use super::super::egress::Egress;
use super::super::ssh::send;
use super::super::{Bounds, open};
use super::{answered, bounds, closed, egress, not_sent, unknown};
use connector::{SshAnswer, SshAuth, SshRequest};
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Disconnect, Sig, server};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}
fn pem(key: &PrivateKey) -> String {
    key.to_openssh(LineEnding::LF).unwrap().to_string()
}
fn line(key: &PrivateKey) -> String {
    key.public_key().to_openssh().unwrap()
}

/// Everything that a client did, in order.
type Log = Arc<Mutex<Vec<String>>>;

struct Host {
    log: Log,
}

impl Host {
    fn say(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }
}

impl Handler for Host {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.say(format!("password {user}"));
        Ok(if password == "right password" { Auth::Accept } else { Auth::reject() })
    }
    async fn auth_publickey(&mut self, user: &str, shown: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        self.say(format!("key {user}"));
        let _ = shown;
        Ok(Auth::Accept)
    }
    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }
    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        self.say(format!("exec {command}"));
        if command == "refuse" {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        match command.as_str() {
            "drop" => return Err(russh::Error::Disconnect),
            "bye" => return session.disconnect(Disconnect::ByApplication, "", ""),
            "hang" | "cat" => return Ok(()),
            "fail" => {
                session.data(channel, "out")?;
                session.extended_data(channel, 1, "err")?;
                session.exit_status_request(channel, 3)?;
            }
            "signal" => session.exit_signal_request(channel, Sig::KILL, false, "", "")?,
            "nothing" => {}
            "big" => {
                for _ in 0..100 {
                    session.data(channel, vec![b'x'; 32 * 1024])?;
                }
                session.exit_status_request(channel, 0)?;
            }
            _ => {
                session.data(channel, "hello\n")?;
                session.exit_status_request(channel, 0)?;
            }
        }
        session.eof(channel)?;
        session.close(channel)
    }
    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        session.data(channel, data.to_vec())
    }
    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        if self.log.lock().unwrap().last().is_some_and(|l| l == "exec cat") {
            session.exit_status_request(channel, 0)?;
            session.close(channel)?;
        }
        Ok(())
    }
}

/// A server with the host key of `seed`: its port and what it saw.
async fn host(seed: u8) -> (u16, Log) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(server::Config {
        keys: vec![key(seed)],
        auth_rejection_time: Duration::from_millis(10),
        ..server::Config::default()
    });
    let log: Log = Arc::default();
    let seen = Arc::clone(&log);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (config, log) = (Arc::clone(&config), Arc::clone(&seen));
            log.lock().unwrap().push("connection".into());
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, stream, Host { log }).await {
                    let _ = session.await;
                }
            });
        }
    });
    (port, log)
}

fn request(port: u16, command: &str) -> SshRequest {
    SshRequest {
        host: "127.0.0.1".into(),
        port,
        user: "ops".into(),
        host_key: line(&key(1)),
        auth: SshAuth::Password("right password".into()),
        command: Some(command.into()),
        stdin: Vec::new(),
        output_bytes_max: 1 << 20,
    }
}
fn allowed(port: u16) -> Egress {
    egress(&[format!("127.0.0.1:{port}")])
}
async fn attempt(request: &SshRequest) -> super::Sent<SshAnswer> {
    send(&allowed(request.port), request, bounds(&open)).await
}

#[tokio::test]
async fn a_command_and_what_it_gives() {
    let (port, log) = host(1).await;
    let answer = answered(attempt(&request(port, "id")).await).unwrap();
    assert_eq!((answer.exit_code, answer.stdout.as_slice(), answer.truncated), (Some(0), b"hello\n".as_slice(), false));
    let answer = answered(attempt(&request(port, "fail")).await).unwrap();
    assert_eq!(
        (answer.exit_code, answer.stdout.as_slice(), answer.stderr.as_slice()),
        (Some(3), b"out".as_slice(), b"err".as_slice())
    );
    let answer = answered(attempt(&request(port, "signal")).await).unwrap();
    assert_eq!((answer.exit_code, answer.signal.as_deref()), (None, Some("KILL")));
    let mut with_key = request(port, "id");
    with_key.auth = SshAuth::Key { pem: pem(&key(9)), passphrase: None };
    assert_eq!(answered(attempt(&with_key).await).unwrap().exit_code, Some(0));
    assert!(log.lock().unwrap().contains(&"key ops".to_string()));
}

#[tokio::test]
async fn input_reaches_the_command() {
    let (port, _) = host(1).await;
    let mut cat = request(port, "cat");
    cat.stdin = vec![b'y'; 300_000];
    let answer = answered(attempt(&cat).await).unwrap();
    assert_eq!((answer.exit_code, answer.stdout.len()), (Some(0), 300_000));
}

#[tokio::test]
async fn output_beyond_the_cap_is_cut_and_said() {
    let (port, _) = host(1).await;
    let answer = answered(attempt(&request(port, "big")).await).unwrap();
    assert_eq!((answer.exit_code, answer.stdout.len(), answer.truncated), (Some(0), 1 << 20, true));
}

#[tokio::test]
async fn a_changed_host_key_is_refused_before_the_first_byte_of_the_command() {
    let (port, log) = host(2).await;
    let fault = not_sent(attempt(&request(port, "id")).await);
    assert_eq!(&*fault.kind, "HostKeyChanged");
    assert!(fault.message.contains(&key(2).public_key().fingerprint(HashAlg::Sha256).to_string()), "{}", fault.message);
    let mut by_fingerprint = request(port, "id");
    by_fingerprint.host_key = key(1).public_key().fingerprint(HashAlg::Sha256).to_string();
    assert_eq!(&*not_sent(attempt(&by_fingerprint).await).kind, "HostKeyChanged");
    // Neither a sign-in nor a command reached the host.
    assert_eq!(*log.lock().unwrap(), ["connection", "connection"]);
    by_fingerprint.host_key = key(2).public_key().fingerprint(HashAlg::Sha256).to_string();
    answered(attempt(&by_fingerprint).await).unwrap();
}

#[tokio::test]
async fn pinned_keys_are_read_in_every_usual_form() {
    let (port, _) = host(1).await;
    let known = line(&key(1));
    for form in [
        known.clone(),
        format!("{known} root@web-1"),
        format!("[127.0.0.1]:{port} {known}"),
        format!("# web-1:22 SSH-2.0\nweb-1 {known}\n"),
        format!("{}\n{known}", line(&key(3))),
    ] {
        let mut r = request(port, "id");
        r.host_key = form.clone();
        assert!(answered(attempt(&r).await).is_ok(), "{form}");
    }
    for form in ["", "nonsense", "ssh-ed25519 AAAA"] {
        let mut r = request(port, "id");
        r.host_key = form.into();
        assert!(not_sent(attempt(&r).await).message.contains("host_key"), "{form}");
    }
}

#[tokio::test]
async fn before_the_command_nothing_was_sent() {
    let (port, log) = host(1).await;
    let mut wrong = request(port, "id");
    wrong.auth = SshAuth::Password("canary password".into());
    let fault = not_sent(attempt(&wrong).await);
    assert!(fault.message.contains("does not accept the credentials of `ops`"), "{}", fault.message);
    assert!(!format!("{fault:?}").contains("canary"));
    wrong.auth = SshAuth::Key { pem: "canary key".into(), passphrase: None };
    assert!(!format!("{:?}", not_sent(attempt(&wrong).await)).contains("canary"));
    assert_eq!(&*not_sent(send(&allowed(port), &request(port, "id"), bounds(&closed)).await).kind, "Held");
    assert_eq!(&*not_sent(send(&egress(&[]), &request(port, "id"), bounds(&open)).await).kind, "EgressRefused");
    assert!(!log.lock().unwrap().iter().any(|l| l.starts_with("exec")));
    not_sent(attempt(&request(port, "refuse")).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = request(listener.local_addr().unwrap().port(), "id");
    let short = Bounds { timeout: Duration::from_millis(300), ..bounds(&open) };
    assert_eq!(&*not_sent(send(&allowed(silent.port), &silent, short).await).kind, "TimeoutError");
    drop(listener);
    assert!(not_sent(attempt(&silent).await).message.starts_with("no connection to"));
}

#[tokio::test]
async fn after_the_command_no_answer_is_unknown() {
    let (port, _) = host(1).await;
    for command in ["drop", "bye"] {
        let fault = unknown(attempt(&request(port, command)).await);
        assert!(fault.message.contains("may still be running"), "{command}: {}", fault.message);
    }
    let short = Bounds { timeout: Duration::from_millis(800), ..bounds(&open) };
    let fault = unknown(send(&allowed(port), &request(port, "hang"), short).await);
    assert_eq!(&*fault.kind, "TimeoutError");
    // A channel that closes in order without a code did end.
    assert_eq!(answered(attempt(&request(port, "nothing")).await).unwrap().exit_code, None);
}

#[tokio::test]
async fn a_sign_in_alone_runs_nothing() {
    let (port, log) = host(1).await;
    let mut r = request(port, "x");
    r.command = None;
    assert_eq!(answered(attempt(&r).await).unwrap(), SshAnswer::default());
    assert_eq!(*log.lock().unwrap(), ["connection", "password ops"]);
}

/// An sshd of the machine on a port of loopback, ended with the value.
struct Sshd {
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    fn start(folder: &Path, host_key: &PrivateKey, user_key: &PrivateKey) -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() {
            return None;
        }
        // sshd asks for its own empty folder; only root can make it, and where it is missing it says so.
        let _ = std::fs::create_dir_all("/run/sshd");
        let file = |name: &str, text: String, mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let host_file = file("host_key", pem(host_key), 0o600);
        let users = file("users", line(user_key) + "\n", 0o600);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\nLogLevel ERROR\n",
            host_file.display(),
            users.display()
        );
        let config = file("config", config, 0o600);
        let child =
            Command::new(program).arg("-D").arg("-e").arg("-f").arg(config).stderr(Stdio::null()).spawn().unwrap();
        Some(Self { child, port })
    }
    async fn ready(&mut self) -> bool {
        for _ in 0..100 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

#[tokio::test]
async fn commands_run_against_the_sshd_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut sshd) = Sshd::start(folder.path(), &key(5), &key(6)) else {
        println!("skipped: no /usr/sbin/sshd");
        return;
    };
    assert!(sshd.ready().await, "sshd does not start");
    let user = Command::new("id").arg("-un").output().unwrap();
    let mut r = request(sshd.port, "echo to-out; echo to-err >&2; cat; exit 7");
    r.user = String::from_utf8_lossy(&user.stdout).trim().to_string();
    r.host_key = line(&key(5));
    r.auth = SshAuth::Key { pem: pem(&key(6)), passphrase: None };
    r.stdin = b"from-stdin\n".to_vec();
    let answer = answered(attempt(&r).await).unwrap();
    assert_eq!(answer.exit_code, Some(7));
    assert_eq!(
        (answer.stdout.as_slice(), answer.stderr.as_slice()),
        (b"to-out\nfrom-stdin\n".as_slice(), b"to-err\n".as_slice())
    );
    r.command = Some("test -t 0 || echo no terminal; kill -9 $$".into());
    let answer = answered(attempt(&r).await).unwrap();
    assert_eq!((answer.exit_code, answer.signal.as_deref()), (None, Some("KILL")));
    assert_eq!(answer.stdout, b"no terminal\n");
    let marker = folder.path().join("ran");
    r.command = Some(format!("touch {}", marker.display()));
    r.host_key = line(&key(4));
    let fault = not_sent(attempt(&r).await);
    assert_eq!(&*fault.kind, "HostKeyChanged", "{fault:?}");
    r.host_key = line(&key(5));
    r.auth = SshAuth::Key { pem: pem(&key(8)), passphrase: None };
    not_sent(attempt(&r).await);
    assert!(!marker.exists());
}
