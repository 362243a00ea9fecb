//! A program is steered by signals and watched through its lines.

#![allow(clippy::unwrap_used)]

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use testkit::process::{Program, Signal, free_port};

fn shell(script: &str) -> Program {
    Program::start(Command::new("sh").args(["-c", script]))
}

#[tokio::test]
async fn a_line_is_found_on_either_stream_also_when_it_was_printed_before() {
    let program = shell("echo one; echo two >&2; echo one more; echo three");
    assert_eq!(program.wait_for("three").await, "three");
    assert_eq!(program.wait_for_nth("one", 2).await, "one more");
    assert!(!program.prints("four").await);
    let finished = program.finished().await;
    assert!(finished.status.success());
    assert_eq!(finished.stdout, "one\none more\nthree\n");
    assert_eq!(finished.stderr, "two\n");
}

#[tokio::test]
#[should_panic(expected = "ended without printing \"never\"")]
async fn waiting_for_a_line_that_never_comes_fails_when_the_program_ends() {
    shell("echo something else").wait_for("never").await;
}

#[tokio::test]
async fn a_program_may_answer_to_a_signal() {
    let program = shell("trap 'echo asked; exit 7' TERM; echo ready; while :; do :; done");
    program.wait_for("ready").await;
    program.signal(Signal::Terminate);
    let finished = program.finished().await;
    assert_eq!(finished.status.code(), Some(7));
    assert_eq!(finished.stdout, "ready\nasked\n");
    program.signal(Signal::Terminate);
    assert!(!program.is_running());
}

#[tokio::test]
async fn a_stopped_program_does_nothing_until_it_continues() {
    let program = shell("echo ready; while :; do :; done");
    program.wait_for("ready").await;
    program.signal(Signal::Stop);
    let state = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    assert!(state.contains(") T "), "not stopped: {state}");
    program.signal(Signal::Continue);
    assert!(program.is_running());
    program.kill();
    assert_eq!(program.finished().await.status.signal(), Some(9));
}

#[tokio::test]
async fn dropping_a_program_kills_it() {
    let program = shell("echo ready; while :; do :; done");
    program.wait_for("ready").await;
    let directory = format!("/proc/{}", program.id());
    assert!(std::fs::exists(&directory).unwrap());
    drop(program);
    assert!(!std::fs::exists(&directory).unwrap());
}

#[test]
fn a_free_port_can_be_listened_on() {
    std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
}
