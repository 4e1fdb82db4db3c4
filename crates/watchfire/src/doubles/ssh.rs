//! The SSH double: a host that takes a password, runs nothing, and answers as the response tools of the demo would.
//!
//! Invariants: a command's line is in the ledger before its answer leaves; no command reaches a shell.
//! Not here: the client (`engine::transport`).

use super::Doubles;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Server as _, Session};
use russh::{Channel, ChannelId};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The account that commands run under.
pub const USER: &str = "svc-response";

#[derive(Clone)]
struct Host {
    doubles: Doubles,
    password: String,
}

/// Starts the host; its address and its host key in OpenSSH's form.
pub async fn start(
    doubles: Doubles,
    at: SocketAddr,
    seed: [u8; 32],
    password: String,
) -> anyhow::Result<(SocketAddr, String)> {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    debug_assert_eq!(key.algorithm(), Algorithm::Ed25519);
    let public = key.public_key().to_openssh()?;
    let config = Arc::new(Config {
        auth_rejection_time: Duration::from_millis(200),
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: Some(Duration::from_secs(300)),
        keys: vec![key],
        ..Config::default()
    });
    let listener = tokio::net::TcpListener::bind(at).await?;
    let address = listener.local_addr()?;
    let mut host = Host { doubles, password };
    tokio::spawn(async move {
        if let Err(error) = host.run_on_socket(config, &listener).await {
            eprintln!("the SSH double ended: {error}");
        }
    });
    Ok((address, public))
}

impl russh::server::Server for Host {
    type Handler = Self;
    fn new_client(&mut self, _peer: Option<SocketAddr>) -> Self {
        self.clone()
    }
}

impl Handler for Host {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(if user == USER && password == self.password { Auth::Accept } else { Auth::reject() })
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
        self.doubles.note(json!({"at": "command", "command": command}));
        session.channel_success(channel)?;
        let handle = session.handle();
        let doubles = self.doubles.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(doubles.behave().command_ms)).await;
            let (code, out) = answer(&command);
            doubles.note(json!({"at": "command.done", "command": command, "exit": code}));
            let _ = handle.data(channel, out.into_bytes()).await;
            let _ = handle.exit_status_request(channel, code).await;
            let _ = handle.eof(channel).await;
            let _ = handle.close(channel).await;
        });
        Ok(())
    }
}

fn answer(command: &str) -> (u32, String) {
    let mut words = command.split_whitespace();
    match (words.next(), words.next()) {
        (Some("isolate"), Some(host)) => {
            (0, format!("[ssh double] {host}: all traffic but the response network is dropped\n"))
        }
        (Some("release"), Some(host)) => (0, format!("[ssh double] {host}: traffic flows again\n")),
        (Some("processes"), _) => (
            0,
            "[ssh double]\n  PID USER     COMMAND\n    1 root     /sbin/init\n 4112 www-data /bin/sh -c id\n".into(),
        ),
        (Some("connections"), _) => (0, "[ssh double]\nESTAB 10.20.0.15:443 203.0.113.77:51544\n".into()),
        (Some("recent-files"), _) => (0, "[ssh double]\n/var/www/html/uploads/img_0931.php  2 minutes ago\n".into()),
        (Some("fail"), _) => (3, "[ssh double] told to fail\n".into()),
        _ => (127, format!("[ssh double] unknown command: {command}\n")),
    }
}
