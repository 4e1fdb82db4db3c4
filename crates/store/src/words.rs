//! Words of enums in columns.
//!
//! Invariants: each word reads back as its value; an unknown word of a newer version reads as the harmless end of the scale.

use workflow::Status;

/// The status of a word.
pub fn status(word: &str) -> Status {
    match word {
        "queued" => Status::Queued,
        "running" => Status::Running,
        "waiting" => Status::Waiting,
        "waiting_for_input" => Status::WaitingForInput,
        "waiting_for_child" => Status::WaitingForChild,
        "completed" => Status::Completed,
        "failed" => Status::Failed,
        "cancelled" => Status::Cancelled,
        "timed_out" => Status::TimedOut,
        "skipped" => Status::Skipped,
        _ => Status::Pending,
    }
}

/// Rank of a severity word: low 0 to critical 3; unknown 0.
pub fn severity_rank(word: &str) -> u8 {
    triage::case::SEVERITIES.iter().position(|s| *s == word).unwrap_or(0) as u8
}

/// Severity word of a rank.
pub fn severity(rank: u8) -> &'static str {
    triage::case::SEVERITIES.get(usize::from(rank)).copied().unwrap_or("low")
}

/// Rank of a case status: open 0, in-progress 1, closed 2.
pub fn case_status_rank(word: &str) -> u8 {
    triage::case::STATUSES.iter().position(|s| *s == word).unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use workflow::Class;

    #[test]
    fn words_read_back() {
        use Status::{
            Cancelled, Completed, Failed, Pending, Queued, Running, Skipped, TimedOut, Waiting, WaitingForChild,
            WaitingForInput,
        };
        for s in [
            Queued,
            Pending,
            Running,
            Waiting,
            WaitingForInput,
            WaitingForChild,
            Completed,
            Failed,
            Cancelled,
            TimedOut,
            Skipped,
        ] {
            assert_eq!(status(s.as_str()), s);
        }
        for c in [Class::None, Class::Internal, Class::Read, Class::Write, Class::Destructive] {
            assert_eq!(Class::of_word(c.as_str()), c);
        }
        assert_eq!(severity(severity_rank("high")), "high");
    }
}
