//! One row per route: method, path, who may, how large, which handler.
//!
//! Invariants: a request that matches no row of `OPEN` access is refused without credentials; a row that changes something says so and is audited.
//! Not here: the rows (`routes`, `es`), how they are served (`serve`).

use crate::error::{Result, Shape};
use crate::http::{BODY_BYTES_MAX, Ctx, Reply};
use futures::future::BoxFuture;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the handler may still see who asks.
    Open,
    /// Nobody is signed in: the handler itself knows its sender by a signature or a token, and no cookie counts.
    Signed,
    /// Anybody who is signed in.
    SignedIn,
    /// Whoever has the privilege, for example `cases:write`.
    Needs(&'static str),
}

/// HTTP methods of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// GET, and HEAD with it.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// The method's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A handler.
pub type Handler = fn(Ctx) -> BoxFuture<'static, Result<Reply>>;

/// A row of the table.
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path with `{parameters}`, without space prefix.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// Shape of errors.
    pub shape: Shape,
    /// True when it changes something: needs `kbn-xsrf` where a browser may be behind it, and leaves an audit entry.
    pub changes: bool,
    /// True where `Elastic-Api-Version` is looked at.
    pub versioned: bool,
    /// Largest body.
    pub body_bytes_max: usize,
    /// One line for OpenAPI.
    pub summary: &'static str,
    /// Handler.
    pub handler: Handler,
}

impl Route {
    /// A reading route.
    pub const fn read(
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            method,
            path,
            access,
            shape: Shape::Platform,
            changes: false,
            versioned: false,
            body_bytes_max: BODY_BYTES_MAX,
            summary,
            handler,
        }
    }
    /// A changing route.
    pub const fn change(
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        Self { changes: true, ..Self::read(method, path, access, summary, handler) }
    }
    /// Of the detection engine: its error shape, versioned.
    #[must_use]
    pub const fn detection(mut self) -> Self {
        self.shape = Shape::Detection;
        self.versioned = true;
        self
    }
    /// Looks at `Elastic-Api-Version`.
    #[must_use]
    pub const fn versioned(mut self) -> Self {
        self.versioned = true;
        self
    }
    /// Of Elasticsearch's API.
    #[must_use]
    pub const fn elasticsearch(mut self) -> Self {
        self.shape = Shape::Elasticsearch;
        self
    }
    /// With another limit of its body.
    #[must_use]
    pub const fn body(mut self, bytes_max: usize) -> Self {
        self.body_bytes_max = bytes_max;
        self
    }
}

/// Makes a [`Handler`] of an async function.
macro_rules! h {
    ($f:path) => {
        |cx| Box::pin($f(cx))
    };
}
pub(crate) use h;
