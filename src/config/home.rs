//! Where `relais dev` keeps what it needs, so that nobody has to set anything to try it out.
//!
//! The directory holds a database and the keys it is sealed under. Operators' commands that are started beside it
//! without any settings use it too: `relais dead list` in a second terminal just works.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use seal::Keyring;
use url::Url;

use super::Values;

/// The directory, below the current one.
pub const DIRECTORY: &str = ".relais";
const DATABASE_FILE: &str = "relais.db";
const KEYS_FILE: &str = "keys";
const URL_FILE: &str = "public_url";

/// The directory of a development installation.
#[derive(Clone, Debug)]
pub struct Home {
    directory: PathBuf,
}

impl Home {
    /// Finds or makes the directory and its keys below `parent`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make(parent: &Path) -> io::Result<Self> {
        let home = Self {
            directory: parent.join(DIRECTORY),
        };
        make_private(&home.directory)?;
        match open_new(&home.keys_file()) {
            Ok(mut file) => file.write_all(Keyring::generate("dev").as_bytes())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(home)
    }

    /// The directory below `parent`, if `relais dev` has been there.
    #[must_use]
    pub fn find(parent: &Path) -> Option<Self> {
        let home = Self {
            directory: parent.join(DIRECTORY),
        };
        home.keys_file().is_file().then_some(home)
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Fills in database and keys where nothing is given.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn fill(&self, values: &mut Values) -> io::Result<()> {
        values.or_set(
            "DATABASE_URL",
            format!("sqlite://{}", self.directory.join(DATABASE_FILE).display()),
        );
        values.or_set("RELAIS_KEYS", fs::read_to_string(self.keys_file())?.trim());
        Ok(())
    }

    /// Keeps what the installation is reached as, for commands that are started beside it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_url(&self, url: &Url) -> io::Result<()> {
        fs::write(self.directory.join(URL_FILE), url.as_str())
    }

    /// Fills in what the installation was reached as when it started last.
    pub fn fill_url(&self, values: &mut Values) {
        if let Ok(url) = fs::read_to_string(self.directory.join(URL_FILE)) {
            values.or_set("PUBLIC_URL", url.trim());
        }
    }

    fn keys_file(&self) -> PathBuf {
        self.directory.join(KEYS_FILE)
    }
}

/// Makes a directory that only its owner may enter: the database in it holds what people were sent.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a file that only its owner may read; fails if there is one.
fn open_new(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_home_found_again_has_the_same_keys() {
        let parent = tempfile::tempdir().unwrap();
        assert!(Home::find(parent.path()).is_none());
        Home::make(parent.path()).unwrap();
        let keys = fs::read(parent.path().join(DIRECTORY).join(KEYS_FILE)).unwrap();
        Home::make(parent.path()).unwrap();
        let again = Home::find(parent.path()).unwrap();
        assert_eq!(fs::read(again.keys_file()).unwrap(), keys);
    }

    #[cfg(unix)]
    #[test]
    fn a_home_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let home = Home::make(parent.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(home.directory()), mode(&home.keys_file())), (0o700, 0o600));
    }

    #[test]
    fn a_home_is_all_the_settings_one_needs_and_overrides_none() {
        let parent = tempfile::tempdir().unwrap();
        let home = Home::make(parent.path()).unwrap();
        let mut values = Values::given(|_| None);
        home.fill(&mut values).unwrap();
        assert_eq!(Settings::read(&values).unwrap().keyring.current(), "dev");

        let own = Keyring::generate("own");
        let mut values = Values::given(|name| (name == "RELAIS_KEYS").then(|| own.clone()));
        home.fill(&mut values).unwrap();
        assert_eq!(Settings::read(&values).unwrap().keyring.current(), "own");
    }
}
