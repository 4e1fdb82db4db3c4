//! Writing: every change of a request is one commit through the engine.
//!
//! Invariants: a client's `Idempotency-Key` guards the commit, so a repeated request gets its first answer; a refused command changes nothing.
//! Not here: what a commit does (`store`), reads (`records`).
//! Source: `design/engine.md` §2.1, §3.

use crate::auth::EVERYWHERE;
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::Ctx;
use std::sync::Arc;
use stdx::{Id, Value};
use store::{Commit, Committed, Guard, Noun, RecordChange};
use triage::Command;
use triage::command::{Refusal, Request};

/// Documents of one commit of a large request.
const SLICE: usize = 200;
/// Longest `Idempotency-Key`.
pub const KEY_BYTES_MAX: usize = 255;

/// A change of a document as a handler says it; the space and the person come from the request.
pub(crate) struct Put {
    /// What it is.
    pub noun: Noun,
    /// Id.
    pub id: Id,
    /// Version that must be current: `Some(0)` = must not exist.
    pub expect: Option<u64>,
    /// New body; `None` deletes.
    pub body: Option<Value>,
    /// For the audit, for example `rule.update`.
    pub action: &'static str,
}

/// Users, keys and sessions belong to no space.
pub(crate) fn space_of(noun: Noun, space: &Arc<str>) -> Arc<str> {
    match noun {
        Noun::User | Noun::ApiKey | Noun::Session | Noun::Passkey => EVERYWHERE.into(),
        Noun::Workflow | Noun::Rule | Noun::Connector | Noun::Setting => space.clone(),
    }
}

impl Ctx {
    /// The request's idempotency key, made unique for the caller and the route.
    pub(crate) fn key(&self) -> Result<Option<Arc<str>>> {
        let Some(key) = self.header("idempotency-key") else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(ApiError::invalid(format!("the Idempotency-Key must have 1 to {KEY_BYTES_MAX} bytes")));
        }
        let params: Vec<&str> = self.params.iter().map(|(_, v)| v.as_str()).collect();
        let whole = stdx::id::hash_parts(&[
            &self.principal.user,
            self.route.method.as_str(),
            self.route.path,
            &params.join("\n"),
            key,
        ]);
        Ok(Some(hex::encode(whole).into()))
    }

    /// Commits commands and documents together, all or none; guarded by the request's key.
    pub(crate) async fn commit(&self, commands: Vec<Command>, puts: Vec<Put>) -> Result<Committed> {
        let key = self.key()?;
        self.send(commands, puts, key, false).await
    }

    /// Commits documents of a request that makes several commits: a key stands for one.
    pub(crate) async fn commit_without_key(&self, puts: Vec<Put>) -> Result<Committed> {
        self.send(Vec::new(), puts, None, false).await
    }

    /// Commits documents of which each stands for itself; the new version or the refusal of each, in order.
    pub(crate) async fn puts(&self, puts: Vec<Put>) -> Result<Vec<Result<u64, Refusal>>> {
        let mut results = Vec::with_capacity(puts.len());
        let mut puts = puts.into_iter().peekable();
        while puts.peek().is_some() {
            let slice: Vec<Put> = puts.by_ref().take(SLICE).collect();
            results.extend(self.send(Vec::new(), slice, None, true).await?.records);
        }
        Ok(results)
    }

    /// Commits commands of which each stands for itself; their results or refusals in order.
    pub(crate) async fn independent(&self, commands: Vec<Command>) -> Result<Vec<Result<Value, Refusal>>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.key()?;
        Ok(self.send(commands, Vec::new(), key, true).await?.results)
    }

    async fn send(
        &self,
        commands: Vec<Command>,
        puts: Vec<Put>,
        key: Option<Arc<str>>,
        independent: bool,
    ) -> Result<Committed> {
        let by = self.actor();
        let request = |command| Request { space: self.space.clone(), by: by.clone(), key: None, command };
        let change = |put: Put| RecordChange {
            space: space_of(put.noun, &self.space),
            noun: put.noun,
            id: put.id,
            expect: put.expect,
            body: put.body,
            by: by.clone(),
            action: put.action.into(),
        };
        let credentials = puts.iter().any(|p| matches!(p.noun, Noun::User | Noun::ApiKey | Noun::Session));
        let execution = by.execution.clone();
        let guard = key.map(|key| Guard::Request { space: self.space.clone(), key, execution });
        let commit = Commit {
            now: self.now,
            guards: guard.into_iter().collect(),
            commands: commands.into_iter().map(request).collect(),
            independent,
            records: puts.into_iter().map(change).collect(),
            ..Commit::default()
        };
        let committed = self.state.engine.commit(commit).await;
        if credentials {
            self.state.auth.forget();
        }
        Ok(committed?)
    }

    /// Commits one command; its result or its refusal.
    pub(crate) async fn command(&self, command: Command) -> Result<Value> {
        let mut results = self.commands(vec![command]).await?;
        results.pop().ok_or_else(|| ApiError::internal("a command gave no result"))
    }

    /// Commits commands, all or none; their results in order.
    pub(crate) async fn commands(&self, commands: Vec<Command>) -> Result<Vec<Value>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let committed = self.commit(commands, Vec::new()).await?;
        let mut results = Vec::with_capacity(committed.results.len());
        for result in committed.results {
            results.push(result?);
        }
        Ok(results)
    }

    /// Commits one document; its new version.
    pub(crate) async fn put(&self, put: Put) -> Result<u64> {
        let committed = self.commit(Vec::new(), vec![put]).await?;
        let result = committed.records.into_iter().next();
        Ok(result.ok_or_else(|| ApiError::internal("a document gave no result"))??)
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Refused { refusal, .. } => refusal.into(),
            store::Error::Full(_) => Self::new(ErrorCode::Full, "the disk is full; nothing was changed"),
            store::Error::Busy => Self::new(ErrorCode::TooMany, "too many changes at once, try again").retry_after(1),
            store::Error::Closed => Self::new(ErrorCode::Unavailable, "the server is stopping").retry_after(5),
            store::Error::Guard { .. } => Self::conflict("it was changed in the meantime; read it again"),
            error => Self::internal(error),
        }
    }
}
