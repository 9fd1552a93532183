//! What is to be done about an error of the database.

use diesel::result::{DatabaseErrorKind as Kind, Error};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is gone, or leads to a server that cannot write: another one is needed.
    Lost,
    /// Another transaction was in the way: the same again may succeed.
    Again,
    /// Something is there already that was taken for new, or was written by another in the meantime: it will be found now.
    Taken,
    /// It lies in one entry: in its data, or in what it waits for too long.
    Data,
    /// The database cannot write at all: its disk is full, or it is busy.
    Unable,
}

/// Words in the messages of errors for which diesel has no kind.
const UNABLE: [&str; 9] = [
    // SQLite
    "full",
    "I/O",
    "locked",
    "readonly",
    "busy",
    "unable to open",
    // PostgreSQL
    "No space left",
    "out of memory",
    "statement timeout",
];

pub fn of(error: &Error) -> Trouble {
    match error {
        Error::DatabaseError(kind, info) => match kind {
            Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::ReadOnlyTransaction => Trouble::Lost,
            Kind::SerializationFailure => Trouble::Again,
            Kind::UniqueViolation => Trouble::Taken,
            Kind::ForeignKeyViolation | Kind::NotNullViolation | Kind::CheckViolation => Trouble::Data,
            _ if info.message().contains("deadlock") => Trouble::Again,
            _ if UNABLE.iter().any(|word| info.message().contains(word)) => Trouble::Unable,
            _ => Trouble::Data,
        },
        Error::RollbackErrorOnCommit { rollback_error, commit_error } => match of(rollback_error) {
            Trouble::Lost => Trouble::Lost,
            _ => of(commit_error),
        },
        Error::BrokenTransactionManager => Trouble::Lost,
        _ => Trouble::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_has_its_signs() {
        let error = |kind, message: &str| Error::DatabaseError(kind, Box::new(message.to_owned()));
        let lost = error(Kind::ClosedConnection, "server closed the connection unexpectedly");
        assert_eq!(of(&lost), Trouble::Lost);
        assert_eq!(of(&error(Kind::UniqueViolation, "duplicate key")), Trouble::Taken);
        assert_eq!(of(&error(Kind::Unknown, "deadlock detected")), Trouble::Again);
        assert_eq!(of(&error(Kind::Unknown, "database or disk is full")), Trouble::Unable);
        assert_eq!(of(&error(Kind::Unknown, "canceling statement due to statement timeout")), Trouble::Unable);
        assert_eq!(of(&error(Kind::Unknown, "canceling statement due to lock timeout")), Trouble::Data);
        assert_eq!(of(&error(Kind::Unknown, "invalid byte sequence for encoding \"UTF8\": 0x00")), Trouble::Data);
        assert_eq!(of(&Error::NotFound), Trouble::Data);
        let at_commit =
            Error::RollbackErrorOnCommit { rollback_error: Box::new(lost), commit_error: Box::new(Error::NotFound) };
        assert_eq!(of(&at_commit), Trouble::Lost);
    }
}
