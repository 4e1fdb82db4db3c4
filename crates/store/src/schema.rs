//! The schema and its migrations.
//!
//! Invariants: migrations are append-only and run one transaction each; `user_version` is the number of the last one; a newer
//! file is refused untouched; one backup is made before the first pending migration of a file that holds data.
//! Not here: opening folders and locks (`open`).

use crate::error::Error;
use rusqlite::Connection;
use std::path::Path;

/// Marks our files: `WFST`.
pub const APPLICATION_ID: i32 = 0x5746_5354;

/// All migrations in order; the number of the first is 1.
pub const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_state.sql"),
    include_str!("migrations/0002_language.sql"),
    include_str!("migrations/0003_journal.sql"),
];

/// Newest schema version.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// Version of the file behind `conn`; 0 for an empty one.
pub fn version(conn: &Connection) -> Result<u32, Error> {
    Ok(conn.pragma_query_value(None, "user_version", |r| r.get::<_, u32>(0))?)
}

/// Refuses the file of a newer version before anything opens it for writing: a mere change of pragmas would touch it.
///
/// - errors: `SchemaTooNew`; database errors of a file that cannot be read.
pub fn refuse_newer(file: &Path) -> Result<(), Error> {
    if !file.exists() {
        return Ok(());
    }
    let conn = Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match version(&conn)? {
        found if found > SCHEMA_VERSION => Err(Error::SchemaTooNew { found, known: SCHEMA_VERSION }),
        _ => Ok(()),
    }
}

/// Brings the database to the newest of `migrations`. With `backup` a file with data is first copied there.
///
/// - errors: `SchemaTooNew`; `NoRoomForBackup`; database errors leave the file at the last whole migration.
pub fn migrate(conn: &mut Connection, migrations: &[&str], backup: Option<&Path>) -> Result<(), Error> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let found = version(conn)?;
    if found > known {
        return Err(Error::SchemaTooNew { found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0
        && let Some(folder) = backup
    {
        back_up(conn, folder, found)?;
    }
    for (i, sql) in migrations.iter().enumerate().skip(found as usize) {
        let txn = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
        txn.execute_batch(sql)?;
        txn.pragma_update(None, "user_version", i as u32 + 1)?;
        txn.pragma_update(None, "application_id", APPLICATION_ID)?;
        txn.commit()?;
    }
    Ok(())
}

fn back_up(conn: &Connection, folder: &Path, version: u32) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let pages: u64 = conn.pragma_query_value(None, "page_count", |r| r.get(0))?;
    let size: u64 = conn.pragma_query_value(None, "page_size", |r| r.get(0))?;
    // The copy, and as much again for the migration itself.
    let needed = pages.saturating_mul(size).saturating_mul(2);
    let free = crate::disk::free_bytes(folder)?;
    if needed > free {
        return Err(Error::NoRoomForBackup { needed, free });
    }
    let target = folder.join(format!("state-v{version}.db"));
    let half = folder.join(format!("state-v{version}.db.part"));
    let _ = std::fs::remove_file(&half);
    let mut copy = Connection::open(&half)?;
    {
        let backup = rusqlite::backup::Backup::new(conn, &mut copy)?;
        backup.run_to_completion(1024, std::time::Duration::ZERO, None)?;
    }
    copy.close().map_err(|(_, e)| Error::from(e))?;
    std::fs::File::open(&half).and_then(|f| f.sync_all()).map_err(Error::io(&half))?;
    std::fs::rename(&half, &target).map_err(Error::io(&target))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[&str] = &[MIGRATIONS[0]];
    const SECOND: &[&str] = &[MIGRATIONS[0], "ALTER TABLE halt ADD COLUMN until INTEGER;"];

    #[test]
    fn migration_backs_up_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = Connection::open(dir.path().join("state.db")).unwrap();
        migrate(&mut conn, FIRST, Some(&dir.path().join("backup"))).unwrap();
        assert!(!dir.path().join("backup").exists(), "an empty file needs no backup");
        conn.execute("INSERT INTO meta VALUES ('mark', 'kept')", []).unwrap();
        migrate(&mut conn, SECOND, Some(&dir.path().join("backup"))).unwrap();
        assert_eq!(version(&conn).unwrap(), 2);
        let old = Connection::open(dir.path().join("backup/state-v1.db")).unwrap();
        assert_eq!(version(&old).unwrap(), 1);
        let kept: String = old.query_row("SELECT value FROM meta WHERE key = 'mark'", [], |r| r.get(0)).unwrap();
        assert_eq!(kept, "kept");
    }

    #[test]
    fn newer_database_file_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, SECOND, None).unwrap();
        let e = migrate(&mut conn, FIRST, None).unwrap_err();
        assert!(matches!(e, Error::SchemaTooNew { found: 2, known: 1 }), "{e}");
        assert_eq!(version(&conn).unwrap(), 2, "nothing was touched");
    }

    #[test]
    fn broken_migration_leaves_the_old_schema() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, FIRST, None).unwrap();
        let broken = &[MIGRATIONS[0], "CREATE TABLE extra (id INTEGER); INSERT INTO nowhere VALUES (1);"];
        migrate(&mut conn, broken, None).unwrap_err();
        assert_eq!(version(&conn).unwrap(), 1);
        let n: i64 =
            conn.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'extra'", [], |r| r.get(0)).unwrap();
        assert_eq!(n, 0);
    }

    /// A file of the first version, with a waiting run in it, becomes one of the second; the copy before it still opens as the first.
    #[test]
    fn a_first_version_file_is_copied_and_migrated() {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = Connection::open(dir.path().join("state.db")).unwrap();
        migrate(&mut conn, FIRST, None).unwrap();
        conn.execute("INSERT INTO feed VALUES (1, 0, 1, 0, 5, 'case', 'default', 'c1', 1, 0, NULL)", []).unwrap();
        conn.execute("INSERT INTO halt VALUES ('default', 'default', 'destructive', 5, 'ann', NULL)", []).unwrap();
        migrate(&mut conn, MIGRATIONS, Some(&dir.path().join("backup"))).unwrap();
        assert_eq!(version(&conn).unwrap(), SCHEMA_VERSION);
        let old = Connection::open(dir.path().join("backup/state-v1.db")).unwrap();
        assert_eq!(version(&old).unwrap(), 1);
        let kept = |sql: &str| conn.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(kept("SELECT count(*) FROM feed WHERE execution IS NULL AND user IS NULL"), 1);
        assert_eq!(kept("SELECT count(*) FROM halt"), 1);
        assert_eq!(kept("SELECT count(*) FROM meta WHERE key = 'continue all'"), 1);
        migrate(&mut conn, MIGRATIONS, Some(&dir.path().join("backup"))).unwrap();
        assert_eq!(version(&conn).unwrap(), SCHEMA_VERSION, "nothing is left to do");
    }
}
