//! The load generator: one thread, many connections, on each one request after the other.
//!
//! Either every connection posts as fast as it is answered, or requests go out at a pace of their own, whether those before
//! them were answered or not. One that is late because no connection was free has then waited since it was due.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::figures::{Spread, cpu_us, rate};
use crate::webhooks::{Requests, Signs};

/// What to post, and where.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) signs: Signs,
    /// Requests a second; as many as can be if none.
    pub(crate) pace: Option<f64>,
    pub(crate) connections: usize,
    /// Posted first, and not timed.
    pub(crate) warm: usize,
    pub(crate) timed: usize,
}

/// How it went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    pub(crate) answered_within: Spread,
    /// The generator's own processor time for one request.
    pub(crate) cpu_us: f64,
}

/// What the connections share.
struct Run {
    requests: Requests,
    began: Instant,
    pace: Option<f64>,
    warm: usize,
    next: Cell<usize>,
    clock: Cell<Option<Instant>>,
    times: RefCell<Vec<Duration>>,
}

/// Posts everything and times it. Any answer that is not a success is an error: what is measured is accepted webhooks.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let total = plan.warm + plan.timed;
    let run = Rc::new(Run {
        requests: Requests::new(&plan.path, &plan.signs, total)?,
        began: Instant::now(),
        pace: plan.pace,
        warm: plan.warm,
        next: Cell::new(0),
        clock: Cell::new(None),
        times: RefCell::new(Vec::with_capacity(plan.timed)),
    });
    let cpu_before = cpu_us(std::process::id());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let ended = local.block_on(&runtime, async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, plan.port));
        let posting = (0..plan.connections).map(|_| tokio::task::spawn_local(post(Rc::clone(&run), address)));
        for connection in posting.collect::<Vec<_>>() {
            connection.await??;
        }
        anyhow::Ok(Instant::now())
    })?;
    let began = run.clock.get().context("nothing was timed")?;
    let cpu = cpu_us(std::process::id()) - cpu_before;
    Ok(Outcome {
        per_second: rate(plan.timed, (ended - began).as_secs_f64()),
        answered_within: Spread::of(run.times.take()),
        cpu_us: cpu as f64 / total as f64,
    })
}

impl Run {
    /// Waits until this request is to go, and answers since when it is under way. That a timer fires late is not counted: it
    /// would be this process's fault.
    async fn turn(&self, number: usize) -> Instant {
        let Some(pace) = self.pace else {
            return Instant::now();
        };
        let due = self.began + Duration::from_secs_f64(number as f64 / pace);
        if due <= Instant::now() {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        Instant::now()
    }
}

async fn post(run: Rc<Run>, address: SocketAddr) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let mut answer = Vec::with_capacity(4096);
    loop {
        let number = run.next.get();
        let Some(request) = run.requests.get(number) else {
            return Ok(());
        };
        run.next.set(number + 1);
        let began = run.turn(number).await;
        if number == run.warm {
            run.clock.set(Some(began));
        }
        connection.write_all(request).await?;
        answer.clear();
        while !is_whole(&answer)? {
            anyhow::ensure!(
                connection.read_buf(&mut answer).await? > 0,
                "the server closed a connection"
            );
        }
        anyhow::ensure!(
            answer.starts_with(b"HTTP/1.1 20"),
            "not accepted: {}",
            String::from_utf8_lossy(&answer)
        );
        if number >= run.warm {
            run.times.borrow_mut().push(began.elapsed());
        }
    }
}

/// Whether all of an answer with a `content-length`, or without a body, is there.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    const NAME: &[u8] = b"content-length: ";
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    if answer.starts_with(b"HTTP/1.1 204") {
        return Ok(true);
    }
    let field = answer[..head]
        .windows(NAME.len())
        .position(|name| name == NAME)
        .context("no content-length")?;
    let digits = answer[field + NAME.len()..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(answer.len() >= head + 4 + length)
}
