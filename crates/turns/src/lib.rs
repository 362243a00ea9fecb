//! Whose turn it is to write to an SQLite file.
//!
//! SQLite has one writer at a time, and whoever finds it busy looks again after 1 ms, then 2, then 5 and so on. The queue and the
//! store write to the same file, mostly in the same process, each through a connection of its own. Here they stand in
//! one line, and the next one is woken as soon as the one before is done.
//!
//! **A turn is a courtesy, no lock**: SQLite keeps writers apart, also those of other processes and those who did not ask
//! for a turn. It ends when it is dropped, at the latest with the process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Line, OwnedMutexGuard};

/// The lines of this process, by file.
static LINES: LazyLock<Mutex<HashMap<PathBuf, Weak<Line<()>>>>> = LazyLock::new(Mutex::default);

/// The turns of one writer of a file. Its clones are the same writer.
///
/// Who asks it stand in a line of their own, of which only the first stands in the file's. So two writers go by turns, however
/// many wait behind either.
#[derive(Debug, Clone)]
pub struct Turns {
    own: Arc<Line<()>>,
    of_file: Arc<Line<()>>,
}

impl Turns {
    /// Another writer of this file, which need not be there yet. A file that is named by two symbolic links has two lines,
    /// which is slower and does no harm.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.strong_count() > 0);
        let place = lines.entry(absolute(file)).or_default();
        let of_file = place.upgrade().unwrap_or_default();
        *place = Arc::downgrade(&of_file);
        Self {
            own: Arc::default(),
            of_file,
        }
    }

    /// Waits for those who came before.
    pub async fn take(&self) -> Turn {
        let own = Arc::clone(&self.own).lock_owned().await;
        Turn {
            _of_file: Arc::clone(&self.of_file).lock_owned().await,
            _own: own,
        }
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Turn {
    _of_file: OwnedMutexGuard<()>,
    _own: OwnedMutexGuard<()>,
}

fn absolute(file: &Path) -> PathBuf {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let (Some(directory), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return absolute;
    };
    directory
        .canonicalize()
        .map_or(absolute.clone(), |directory| directory.join(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_comes_first_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let turns = Turns::of(&directory.path().join("file"));
        let first = turns.take().await;
        let (mut second, mut third) = (Box::pin(turns.take()), Box::pin(turns.take()));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none(), "the second is before it");
        drop(second.await);
        drop(third.await);
    }

    #[tokio::test]
    async fn writers_go_by_turns_however_many_wait_behind_one() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = [0, 1].map(|_| Turns::of(&directory.path().join("file")));
        let first = one.take().await;
        let (mut second, mut third) = (Box::pin(one.take()), Box::pin(one.take()));
        let mut between = Box::pin(other.take());
        for waits in [&mut second, &mut third] {
            assert!(waits.as_mut().now_or_never().is_none());
        }
        assert!(between.as_mut().now_or_never().is_none());
        drop(first);
        // The second comes into the file's line only now, behind the other writer.
        assert!(second.as_mut().now_or_never().is_none());
        drop(between.await);
        drop(second.await);
        drop(third.await);
    }

    #[tokio::test]
    async fn a_file_has_one_line_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let turn = Turns::of(&file).take().await;
        let inside = directory.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(&file, "").unwrap();
        assert!(Turns::of(&inside.join("../file")).take().now_or_never().is_none());
        assert!(
            Turns::of(&directory.path().join("other"))
                .take()
                .now_or_never()
                .is_some()
        );
        drop(turn);
        assert!(Turns::of(&file).take().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_gives_up_keeps_nobody_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let turns = Turns::of(&directory.path().join("file"));
        let first = turns.take().await;
        let mut second = Box::pin(turns.take());
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);
        assert!(turns.take().now_or_never().is_some());
    }
}
