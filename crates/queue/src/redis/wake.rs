//! How a worker process hears that there is work: a task of its own blocks on the queue's token.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::link::{Connection, Link};
use super::script::WAKE;

/// How long one wait for the token lasts, so that a connection that died silently is found out.
const WAIT_TIME: Duration = Duration::from_secs(20);

/// How much longer than that Redis may take to say that there was none.
const WAIT_MARGIN: Duration = Duration::from_secs(5);

/// How soon after a token this process has to claim before another process gets it.
const CLAIM_TIME: Duration = Duration::from_millis(50);

/// How long a process that did not claim leaves the token to others.
const BUSY_TIME: Duration = Duration::from_secs(1);

/// The listening task of one queue. Ends with this value.
pub(super) struct Wake {
    /// Told when there may be work.
    pub(super) notify: Arc<Notify>,
    claimed: Arc<Notify>,
    task: AbortHandle,
}

impl Wake {
    /// Starts listening to the queue of this hash tag.
    pub(super) fn start(link: Arc<Link>, tag: &str) -> Self {
        let (notify, claimed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let listener = Listener {
            link,
            tag: tag.to_owned(),
            notify: Arc::clone(&notify),
            claimed: Arc::clone(&claimed),
        };
        Self {
            notify,
            claimed,
            task: tokio::spawn(listener.listen()).abort_handle(),
        }
    }

    /// This process asks for jobs.
    pub(super) fn claims(&self) {
        self.claimed.notify_waiters();
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listener {
    link: Arc<Link>,
    tag: String,
    notify: Arc<Notify>,
    claimed: Arc<Notify>,
}

impl Listener {
    async fn listen(self) {
        let connect = || self.link.connect_apart();
        let patience = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .without_max_times()
            .with_jitter();
        loop {
            if let Ok(connection) = connect.retry(patience).await {
                // Work may have come while nobody listened.
                self.notify.notify_one();
                self.listen_on(connection).await;
                // A server that accepts connections but refuses commands (it loads its file, it became a replica) must not
                // be knocked at without a pause.
                tokio::time::sleep(Duration::from_millis(250 + rand::random_range(0..250))).await;
            }
        }
    }

    /// Passes tokens on until the connection fails.
    async fn listen_on(&self, mut connection: Connection) {
        let mut wait = redis::cmd("BLPOP");
        wait.arg(format!("{}:wake", self.tag)).arg(WAIT_TIME.as_secs());
        loop {
            let token = tokio::time::timeout(
                WAIT_TIME + WAIT_MARGIN,
                connection.query::<Option<(String, String)>>(&wait),
            );
            match token.await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(_))) => self.react().await,
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// Tells this process; if it is too busy to claim, the token goes to another.
    async fn react(&self) {
        let claimed = self.claimed.notified();
        tokio::pin!(claimed);
        claimed.as_mut().enable();
        self.notify.notify_one();
        if tokio::time::timeout(CLAIM_TIME, claimed.as_mut()).await.is_ok() {
            return;
        }
        // Should this fail, the others still look for work now and then.
        drop(self.link.run::<()>(&WAKE, &WAKE.on(&self.tag)).await);
        drop(tokio::time::timeout(BUSY_TIME, claimed).await);
    }
}
