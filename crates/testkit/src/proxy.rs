//! A wire that can be cut: stands between a program and its database and takes it away on command.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Sender as Answer, channel};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const BUFFER_BYTES: usize = 16 * 1024;
const BACKLOG: u32 = 1_024;

/// What happens to bytes, and to those who want to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// Bytes pass.
    Whole,
    /// Connections are closed, new ones refused: a database that was stopped.
    Cut,
    /// Connections are taken and stay open, nothing passes: a database behind a dead network.
    Hanging,
    /// What clients send passes, what comes back does not.
    Mute,
    /// As [`Mute`](Self::Mute), and clients are told that nothing more will come: the server's half is closed.
    HalfClosed,
}

/// What is asked of the proxy's thread.
#[derive(Clone, Copy, Debug)]
enum Command {
    /// The wire is like this from now on.
    Switch(Wire),
    /// The live connections are closed; new ones are as the wire is.
    Drop,
}

/// Each with where to say that it is done.
type Commands = mpsc::UnboundedReceiver<(Command, Answer<()>)>;

/// A TCP forwarder with a switch. It runs on a thread of its own, whatever the test's runtime does.
///
/// A command has taken effect when its call returns. Bytes and connections that came while the wire was hanging pass
/// when it is restored, as they would in a real network.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    commands: mpsc::UnboundedSender<(Command, Answer<()>)>,
}

impl Proxy {
    /// A proxy on a port of its own, forwarding to `target`.
    ///
    /// # Panics
    /// When no socket can be opened.
    pub async fn to(target: SocketAddr) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let (ready, started) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built");
            runtime.block_on(async {
                let place = Place::reserve().expect("a port is free");
                let listener = place.listen().expect("our port is free");
                ready.send(place.address).expect("the caller waits for the address");
                serve(place, listener, target, received).await;
            });
        });
        let address = started.recv().expect("the proxy's thread starts");
        Self { address, commands }
    }

    /// Where to connect instead of the target. The same for ever, also after a cut.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Closes the live connections and refuses new ones.
    pub fn cut(&self) {
        self.order(Command::Switch(Wire::Cut));
    }

    /// Closes the live connections once, and takes new ones at once.
    pub fn drop_connections(&self) {
        self.order(Command::Drop);
    }

    /// Lets nothing pass any more, but takes connections.
    pub fn hang(&self) {
        self.order(Command::Switch(Wire::Hanging));
    }

    /// What clients send arrives and has its effect; its answers are lost. The connections end when the wire is restored.
    pub fn mute(&self) {
        self.order(Command::Switch(Wire::Mute));
    }

    /// The same, and clients are told at once that nothing more will come.
    pub fn close_half(&self) {
        self.order(Command::Switch(Wire::HalfClosed));
    }

    /// Lets everything pass again.
    pub fn restore(&self) {
        self.order(Command::Switch(Wire::Whole));
    }

    fn order(&self, command: Command) {
        let (done, taken) = channel();
        self.commands
            .send((command, done))
            .expect("the proxy's thread lives as long as the proxy");
        taken.recv().expect("the proxy's thread answers every command");
    }
}

/// A port that stays ours while nobody listens on it: a bound socket that never listens holds it, and the system
/// refuses whoever connects meanwhile.
struct Place {
    address: SocketAddr,
    _holder: TcpSocket,
}

impl Place {
    fn reserve() -> io::Result<Self> {
        let holder = TcpSocket::new_v4()?;
        holder.set_reuseaddr(true)?;
        holder.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            address: holder.local_addr()?,
            _holder: holder,
        })
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        socket.listen(BACKLOG)
    }
}

/// Ends, and closes everything, when the [`Proxy`] is dropped.
async fn serve(place: Place, listener: TcpListener, target: SocketAddr, mut commands: Commands) {
    let (wire, state) = watch::channel(Wire::Whole);
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some((command, done)) = command else { return };
                match command {
                    Command::Drop => connections.shutdown().await,
                    Command::Switch(Wire::Cut) => {
                        wire.send_replace(Wire::Cut);
                        listener = None;
                        connections.shutdown().await;
                    }
                    Command::Switch(next) => {
                        if matches!(*wire.borrow(), Wire::Mute | Wire::HalfClosed) {
                            connections.shutdown().await;
                        }
                        wire.send_replace(next);
                        if listener.is_none() {
                            listener = Some(place.listen().expect("our port is free"));
                        }
                    }
                }
                // The caller may have panicked meanwhile; nobody is left to tell.
                let _ = done.send(());
            }
            Ok(client) = accept(listener.as_ref()) => {
                connections.spawn(carry(client, target, state.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

/// One connection. An error on either side closes both, as a database that goes away would.
async fn carry(client: TcpStream, target: SocketAddr, mut wire: watch::Receiver<Wire>) -> io::Result<()> {
    moving(&mut wire).await?;
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        ask(from_client, to_server, wire.clone()),
        answer(from_server, to_client, wire)
    )?;
    Ok(())
}

/// What the client sends.
async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut wire: watch::Receiver<Wire>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        moving(&mut wire).await?;
        let read = from.read(&mut buffer).await?;
        // Asked again: the wire may have been taken away while we waited for bytes.
        moving(&mut wire).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// What the server sends.
async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut wire: watch::Receiver<Wire>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            () = half_closed(&mut wire) => 0,
        };
        if moving(&mut wire).await? != Wire::Whole {
            if *wire.borrow() == Wire::HalfClosed {
                to.shutdown().await?;
            }
            return lose(from).await;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Throws away what the server sends. Its end is not told either.
async fn lose(mut from: OwnedReadHalf) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    while from.read(&mut buffer).await? > 0 {}
    std::future::pending().await
}

async fn half_closed(wire: &mut watch::Receiver<Wire>) {
    if wire.wait_for(|wire| *wire == Wire::HalfClosed).await.is_err() {
        std::future::pending().await
    }
}

/// Waits until what clients send passes, and says how the wire is then.
async fn moving(wire: &mut watch::Receiver<Wire>) -> io::Result<Wire> {
    wire.wait_for(|wire| !matches!(wire, Wire::Cut | Wire::Hanging))
        .await
        .map(|wire| *wire)
        .map_err(io::Error::other)
}
