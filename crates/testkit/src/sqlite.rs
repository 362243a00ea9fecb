//! SQLite files that vanish with the test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// An empty SQLite database in a directory of its own, because SQLite puts files beside it. Removed on drop.
#[derive(Debug)]
pub struct TempSqlite {
    path: PathBuf,
    url: String,
    _directory: TempDir,
}

impl TempSqlite {
    /// `sqlite://` and the path of the file. The file exists and is empty, which is a valid SQLite database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A new, empty database.
///
/// # Panics
/// When the temporary directory cannot be written.
pub fn fresh() -> TempSqlite {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let path = directory.path().join("test.db");
    std::fs::File::create(&path).expect("the temporary directory is writable");
    TempSqlite {
        url: format!("sqlite://{}", path.display()),
        path,
        _directory: directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_vanishes_with_its_owner() {
        let database = fresh();
        let path = database.path().to_owned();
        assert_eq!(database.url(), format!("sqlite://{}", path.display()));
        assert!(path.exists());
        drop(database);
        assert!(!path.exists());
    }
}
