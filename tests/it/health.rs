//! A worker tells whether its work is progressing, and recovers by itself.

use crate::app::{Combination, Part, TestApp};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn ready(port: u16) -> Option<(u16, serde_json::Value)> {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}/ready")).await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

#[tokio::test]
async fn a_worker_is_not_ready_while_its_queue_is_away_and_recovers_without_a_restart() {
    let port = free_port();
    let setup = TestApp::on(Combination::PostgresAndRedis).behind_a_wire(Part::Queue);
    let app = setup.with("WORKER_PORT", port.to_string()).start().await;
    let is = async |status: u16| ready(port).await.is_some_and(|(answered, _)| answered == status);
    app.wait_until("the worker is ready", async || is(200).await).await;
    app.wire().cut();
    let told = async || {
        ready(port)
            .await
            .is_some_and(|(_, body)| body["work"]["default"] != "ok")
    };
    app.wait_until("it says that the queue does not answer", told).await;
    assert!(is(503).await);
    app.wire().restore();
    app.wait_until("it is ready again", async || is(200).await).await;
}
