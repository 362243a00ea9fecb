//! A wire that can be cut, seen from both ends.

#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::net::SocketAddr;

use testkit::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that says everything back.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn says_back(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, text.as_bytes());
}

#[tokio::test]
async fn a_cut_closes_what_lives_and_refuses_what_comes_until_restored() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "before").await;

    for _ in 0..3 {
        proxy.cut();
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        assert_eq!(
            TcpStream::connect(proxy.addr()).await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );

        proxy.restore();
        stream = TcpStream::connect(proxy.addr()).await.unwrap();
        says_back(&mut stream, "after").await;
    }
}

#[tokio::test]
async fn a_hanging_wire_takes_everything_and_passes_it_on_when_restored() {
    let proxy = Proxy::to(echo().await).await;
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut old, "before").await;

    proxy.hang();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    for stream in [&mut old, &mut new] {
        stream.write_all(b"hello").await.unwrap();
        assert_eq!(stream.try_read(&mut [0; 5]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    proxy.restore();
    for stream in [&mut old, &mut new] {
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hello");
    }
}

#[tokio::test]
async fn dropping_the_proxy_closes_its_connections() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "before").await;
    drop(proxy);
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn dropped_connections_are_closed_and_new_ones_taken() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "before").await;

    proxy.drop_connections();
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "after").await;
}

/// A server that keeps what it is told and says it back.
async fn listening() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    heard.send(byte).unwrap();
                    let _ = stream.write_u8(byte).await;
                }
            });
        }
    });
    (address, hears)
}

#[tokio::test]
async fn on_a_mute_wire_requests_arrive_and_their_connection_ends_without_the_answer() {
    let (server, mut hears) = listening().await;
    let proxy = Proxy::to(server).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "b").await;
    assert_eq!(hears.recv().await, Some(b'b'));

    proxy.mute();
    stream.write_u8(b'x').await.unwrap();
    assert_eq!(hears.recv().await, Some(b'x'));
    proxy.restore();
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "a").await;
}

#[tokio::test]
async fn on_a_half_closed_wire_clients_hear_the_end_and_can_still_send() {
    let (server, mut hears) = listening().await;
    let proxy = Proxy::to(server).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "b").await;
    assert_eq!(hears.recv().await, Some(b'b'));

    proxy.close_half();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    stream.write_u8(b'x').await.unwrap();
    assert_eq!(hears.recv().await, Some(b'x'));
    proxy.restore();
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    says_back(&mut stream, "a").await;
}
