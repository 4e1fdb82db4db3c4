//! Planted bugs: what the driver can be made to do wrong, so that the checks prove themselves.
//!
//! Invariants: the bug sits in the driver, never in the product.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Calls are performed when a commit is handed over, not when it is done.
    EffectBeforeCommit,
    /// A commit is dropped and answered as done.
    LostCommitAnswered,
    /// The mail's row is removed on its own, and the process dies before the turn's commit.
    MailRemovedEarly,
    /// After a crash a destructive attempt without an answer is sent again unasked.
    DestructiveAgain,
    /// The internal effect of a turn is done once more beside its commit.
    InternalTwice,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::EffectBeforeCommit,
        Self::LostCommitAnswered,
        Self::MailRemovedEarly,
        Self::DestructiveAgain,
        Self::InternalTwice,
    ];
    /// Word in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EffectBeforeCommit => "effect-before-commit",
            Self::LostCommitAnswered => "lost-commit-answered",
            Self::MailRemovedEarly => "mail-removed-early",
            Self::DestructiveAgain => "destructive-again",
            Self::InternalTwice => "internal-twice",
        }
    }
}
