//! Documents of the store by noun: users, keys, sessions, rules, workflows, connectors, settings.
//!
//! Invariants: reads see committed state only.
//! Not here: changes (`Ctx::commit`).

use crate::auth::principal::Account;
use crate::auth::{EVERYWHERE, unauthorized};
use crate::error::Result;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use stdx::Value;
use store::Noun;

/// Reads of documents.
#[derive(Clone, Default)]
pub struct Records(Arc<Mutex<BTreeMap<(Noun, String, String), Value>>>);

impl Records {
    /// The body of a document.
    pub fn get(&self, noun: Noun, space: &str, id: &str) -> Result<Option<Value>> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(&(noun, space.to_owned(), id.to_owned())).cloned())
    }
    /// An enabled user.
    pub(crate) fn account(&self, user: &str) -> Result<Account> {
        let account = self.get(Noun::User, EVERYWHERE, user)?.and_then(|body| Account::read(user, &body));
        account
            .filter(|a| a.enabled)
            .ok_or_else(|| unauthorized(format!("user [{user}] does not exist or is disabled")))
    }
}
