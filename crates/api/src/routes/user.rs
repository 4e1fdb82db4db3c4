//! Users: list, get, create and change, delete, password; the same under Elasticsearch's paths.
//!
//! Invariants: a password leaves the request only as its argon2 hash; answers never carry it; one enabled superuser always remains.
//! Source: `reference/elasticsearch-apis.md` §7; our own `/internal/security/users`.

use crate::auth::principal::{Account, ROLES};
use crate::commit::Put;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use stdx::{Id, Value};
use store::Noun;

/// Longest user name.
pub const NAME_BYTES_MAX: usize = 507;
/// Roles of one user.
pub const ROLES_MAX: usize = 50;

const READ: Access = Access::SignedIn;
const WRITE: Access = Access::Needs("users:write");

/// Rows of the Kibana port.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Get, "/internal/security/users", READ, "Lists the users", h!(list)),
    Route::read(Method::Get, "/internal/security/users/{name}", READ, "Gets a user", h!(get)),
    Route::change(Method::Put, "/internal/security/users/{name}", WRITE, "Creates or changes a user", h!(put)),
    Route::change(Method::Post, "/internal/security/users/{name}", WRITE, "Creates or changes a user", h!(put)),
    Route::change(Method::Delete, "/internal/security/users/{name}", WRITE, "Deletes a user", h!(delete)),
    Route::change(
        Method::Post,
        "/internal/security/users/{name}/password",
        Access::SignedIn,
        "Changes a password",
        h!(password),
    ),
    Route::read(Method::Get, "/internal/security/roles", READ, "Lists the roles", h!(roles)),
];

/// Rows of the Elasticsearch port.
pub const ELASTICSEARCH: &[Route] = &[
    Route::read(Method::Get, "/_security/user", READ, "Lists the users", h!(es_list)).elasticsearch(),
    Route::read(Method::Get, "/_security/user/{name}", READ, "Gets a user", h!(es_get)).elasticsearch(),
    Route::change(Method::Put, "/_security/user/{name}", WRITE, "Creates or changes a user", h!(es_put))
        .elasticsearch(),
    Route::change(Method::Post, "/_security/user/{name}", WRITE, "Creates or changes a user", h!(es_put))
        .elasticsearch(),
    Route::change(Method::Delete, "/_security/user/{name}", WRITE, "Deletes a user", h!(es_delete)).elasticsearch(),
    Route::change(
        Method::Post,
        "/_security/user/{name}/_password",
        Access::SignedIn,
        "Changes a password",
        h!(password),
    )
    .elasticsearch(),
    Route::change(
        Method::Put,
        "/_security/user/{name}/_password",
        Access::SignedIn,
        "Changes a password",
        h!(password),
    )
    .elasticsearch(),
];

fn wire(account: &Account) -> Json {
    json!({
        "username": account.user, "roles": account.roles, "full_name": account.full_name, "email": account.email,
        "enabled": account.enabled, "metadata": {}, "profile_uid": triage::actor::profile_uid(&account.user),
    })
}

/// Every user, by name.
pub(crate) fn all(cx: &Ctx) -> Result<Vec<Account>> {
    let records = cx.state.records.list(Noun::User, crate::auth::EVERYWHERE)?;
    Ok(records.iter().filter_map(|r| Account::read(&r.id, &r.body)).collect())
}

fn one(cx: &Ctx, name: &str) -> Result<Account> {
    let body = cx.state.records.get(Noun::User, crate::auth::EVERYWHERE, name)?;
    body.and_then(|b| Account::read(name, &b)).ok_or_else(|| ApiError::not_found(format!("user [{name}] not found")))
}

/// A person sees himself; others only with the privilege to change users, or as names for assigning.
fn may_see(cx: &Ctx, name: &str) -> Result<()> {
    if *cx.principal.user == *name { Ok(()) } else { crate::serve::require(&cx.principal, "users:write") }
}

async fn list(cx: Ctx) -> Result<Reply> {
    crate::serve::require(&cx.principal, "users:write")?;
    Ok(Reply::ok(Json::Array(all(&cx)?.iter().map(wire).collect())))
}

async fn get(cx: Ctx) -> Result<Reply> {
    let name = cx.param("name");
    may_see(&cx, name)?;
    Ok(Reply::ok(wire(&one(&cx, name)?)))
}

async fn es_list(cx: Ctx) -> Result<Reply> {
    crate::serve::require(&cx.principal, "users:write")?;
    let users = all(&cx)?.iter().map(|a| (a.user.to_string(), wire(a))).collect();
    Ok(Reply::ok(Json::Object(users)))
}

async fn es_get(cx: Ctx) -> Result<Reply> {
    let name = cx.param("name");
    may_see(&cx, name)?;
    // An unknown user is 404 with an empty object there.
    match one(&cx, name) {
        Ok(account) => Ok(Reply::ok(json!({name: wire(&account)}))),
        Err(e) => Ok(Reply::ok(json!({})).status(e.code.status())),
    }
}

async fn roles(_: Ctx) -> Result<Reply> {
    Ok(Reply::ok(ROLES.iter().map(|(name, privileges)| json!({"name": name, "privileges": privileges})).collect()))
}

async fn put(cx: Ctx) -> Result<Reply> {
    let name = cx.param("name").to_owned();
    store_user(&cx, &name).await?;
    Ok(Reply::ok(wire(&one(&cx, &name)?)))
}

async fn es_put(cx: Ctx) -> Result<Reply> {
    let name = cx.param("name").to_owned();
    let created = store_user(&cx, &name).await?;
    Ok(Reply::ok(json!({"created": created})))
}

/// Creates or changes a user; true when it is new.
async fn store_user(cx: &Ctx, name: &str) -> Result<bool> {
    check_name(name)?;
    let body = cx.json()?;
    let old = cx.state.records.get(Noun::User, crate::auth::EVERYWHERE, name)?;
    let mut record = old.clone().unwrap_or_default();
    let Some(fields) = record.object_mut() else { return Err(ApiError::internal("a user's record is not an object")) };
    for key in ["full_name", "email"] {
        match body.get(key) {
            None => {}
            Some(Json::Null) => drop(fields.remove(key)),
            Some(Json::String(text)) => drop(fields.insert(key, text.as_str())),
            Some(_) => return Err(ApiError::invalid(format!("[{key}] must be a string"))),
        }
    }
    match body.get("roles") {
        Some(roles) => drop(fields.insert("roles", checked_roles(roles)?)),
        None if old.is_none() => return Err(ApiError::invalid("[roles] is required for a new user")),
        None => {}
    }
    match body.get("enabled") {
        None => {}
        Some(Json::Bool(enabled)) => drop(fields.insert("enabled", *enabled)),
        Some(_) => return Err(ApiError::invalid("[enabled] must be a boolean")),
    }
    match body.get("password") {
        Some(Json::String(password)) => {
            let hash = cx.state.auth.hash(password.clone()).await?;
            fields.insert("password_hash", hash);
        }
        Some(_) => return Err(ApiError::invalid("[password] must be a string")),
        None if old.is_none() => {
            return Err(ApiError::invalid("password must be specified unless you are updating an existing user"));
        }
        None => {}
    }
    fields.insert("username", name);
    fields.insert(if old.is_none() { "created_at" } else { "updated_at" }, cx.now.iso());
    keep_a_superuser(cx, name, Account::read(name, &record).as_ref())?;
    let action = if old.is_none() { "user.create" } else { "user.update" };
    cx.put(Put { noun: Noun::User, id: Id::from(name), expect: None, body: Some(record), action }).await?;
    Ok(old.is_none())
}

fn check_name(name: &str) -> Result<()> {
    let plain = name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ':' | '"' | '\\' | '/'));
    if name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || !plain
        || name.starts_with('_')
        || matches!(name, "system" | "*")
    {
        return Err(ApiError::invalid(format!(
            "`{name}` cannot be a user name: use letters, digits and `._-@+`, at most {NAME_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn checked_roles(roles: &Json) -> Result<Value> {
    let items = roles
        .as_array()
        .filter(|r| r.len() <= ROLES_MAX)
        .ok_or_else(|| ApiError::invalid("[roles] must be an array of strings"))?;
    let mut names = Vec::new();
    for item in items {
        let name = item.as_str().ok_or_else(|| ApiError::invalid("[roles] must be an array of strings"))?;
        if !ROLES.iter().any(|(known, _)| *known == name) {
            let known: Vec<_> = ROLES.iter().map(|(n, _)| *n).collect();
            return Err(ApiError::invalid(format!("role [{name}] does not exist; there are {}", known.join(", "))));
        }
        names.push(Value::from(name));
    }
    Ok(Value::array(names))
}

/// Refuses what would leave nobody who may change users.
fn keep_a_superuser(cx: &Ctx, name: &str, after: Option<&Account>) -> Result<()> {
    let strong = |a: &Account| a.enabled && a.roles.iter().any(|r| &**r == "superuser");
    if after.is_some_and(strong) || all(cx)?.iter().any(|a| *a.user != *name && strong(a)) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("user [{name}] is the last enabled superuser")))
}

async fn remove(cx: &Ctx) -> Result<()> {
    let name = cx.param("name");
    one(cx, name)?;
    keep_a_superuser(cx, name, None)?;
    let mut puts = vec![Put { noun: Noun::User, id: Id::from(name), expect: None, body: None, action: "user.delete" }];
    // Whoever gets the name later must not get the keys.
    puts.extend(crate::passkeys::of(cx, name)?.into_iter().map(|key| {
        let id = Id::new(key.credential.id);
        Put { noun: Noun::Passkey, id, expect: None, body: None, action: "passkey.delete" }
    }));
    cx.commit(Vec::new(), puts).await?;
    Ok(())
}

async fn delete(cx: Ctx) -> Result<Reply> {
    remove(&cx).await?;
    Ok(Reply::no_content())
}

async fn es_delete(cx: Ctx) -> Result<Reply> {
    remove(&cx).await?;
    Ok(Reply::ok(json!({"found": true})))
}

async fn password(cx: Ctx) -> Result<Reply> {
    let name = cx.param("name");
    let body = cx.json()?;
    let field = |key: &str| body.get(key).and_then(Json::as_str).map(str::to_owned);
    let own = *cx.principal.user == *name;
    if own && !cx.principal.may("users:write") {
        // A stolen session must not be enough to take an account over.
        let current = field("current_password").ok_or_else(|| ApiError::invalid("[current_password] is required"))?;
        cx.state.auth.password(&cx.state.records, name, current).await?;
    } else {
        crate::serve::require(&cx.principal, "users:write")?;
    }
    let new = field("password")
        .or_else(|| field("new_password"))
        .ok_or_else(|| ApiError::invalid("[password] is required"))?;
    let hash = cx.state.auth.hash(new).await?;
    let mut record = cx
        .state
        .records
        .get(Noun::User, crate::auth::EVERYWHERE, name)?
        .ok_or_else(|| ApiError::not_found(format!("user [{name}] not found")))?;
    if let Some(fields) = record.object_mut() {
        fields.insert("password_hash", hash);
        fields.insert("updated_at", cx.now.iso());
    }
    cx.put(Put { noun: Noun::User, id: Id::from(name), expect: None, body: Some(record), action: "user.password" })
        .await?;
    Ok(Reply::ok(json!({})))
}
