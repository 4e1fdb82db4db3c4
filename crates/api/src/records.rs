//! Documents of the store by noun: users, keys, sessions, rules, workflows, connectors, settings.
//!
//! Invariants: reads see committed state only.
//! Not here: changes (`commit`).

use crate::auth::principal::Account;
use crate::auth::{EVERYWHERE, unauthorized};
use crate::error::Result;
use stdx::{Id, Value};
use store::{Noun, Store};

/// A document with its id and version.
#[derive(Clone, Debug)]
pub struct Record {
    /// Id.
    pub id: Id,
    /// Version, from 1.
    pub version: u64,
    /// Body.
    pub body: Value,
}

/// Reads of documents.
#[derive(Clone)]
pub struct Records(Store);

impl Records {
    /// Over a store.
    pub const fn new(store: Store) -> Self {
        Self(store)
    }
    /// A document.
    pub fn find(&self, noun: Noun, space: &str, id: &str) -> Result<Option<Record>> {
        let found = self.0.read(|r| r.record_get(noun, space, id))?;
        Ok(found.map(|r| Record { id: Id::from(id), version: r.version, body: r.body }))
    }
    /// The body of a document.
    pub fn get(&self, noun: Noun, space: &str, id: &str) -> Result<Option<Value>> {
        Ok(self.find(noun, space, id)?.map(|r| r.body))
    }
    /// All documents of a noun, by id.
    pub fn list(&self, noun: Noun, space: &str) -> Result<Vec<Record>> {
        let all = self.0.read(|r| r.record_list(noun, space))?;
        Ok(all.into_iter().map(|(id, r)| Record { id, version: r.version, body: r.body }).collect())
    }
    /// Documents whose text holds `member: text` somewhere; the caller looks where.
    pub fn holding(&self, noun: Noun, space: &str, member: &str, text: &str) -> Result<Vec<Record>> {
        let found = self.0.read(|r| r.record_holding(noun, space, member, text))?;
        Ok(found.into_iter().map(|(id, r)| Record { id, version: r.version, body: r.body }).collect())
    }
    /// An enabled user.
    pub(crate) fn account(&self, user: &str) -> Result<Account> {
        let account = self.get(Noun::User, EVERYWHERE, user)?.and_then(|body| Account::read(user, &body));
        account
            .filter(|a| a.enabled)
            .ok_or_else(|| unauthorized(format!("user [{user}] does not exist or is disabled")))
    }
}
