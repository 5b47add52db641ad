//! Client and server against each other and against raw sockets, on loopback.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Answer, Body, Call, Client, Endpoint, HttpError, Large, Limits, Listener, Method, Request,
    Server, ServerLimits, StatusCode, Stopper, get,
};

async fn handle(call: Call) -> Answer {
    match call.path.as_str() {
        "/echo" => Answer::new(StatusCode::OK, call.body),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Answer::new(StatusCode::OK, "slow")
        }
        "/moved" => Answer::new(StatusCode::FOUND, "").with(crate::header::LOCATION, "/echo"),
        "/loop" => Answer::new(StatusCode::FOUND, "").with(crate::header::LOCATION, "/loop"),
        "/pieces" => {
            let (sender, body) = Body::pieces(4);
            tokio::spawn(async move {
                for piece in ["a", "b", "c"] {
                    sender.send(Bytes::from_static(piece.as_bytes())).await;
                }
            });
            let mut answer = Answer::new(StatusCode::OK, "");
            answer.body = body;
            answer
        }
        _ => Answer::new(StatusCode::NOT_FOUND, "nothing here"),
    }
}

fn start(limits: ServerLimits) -> (Endpoint, Stopper, tokio::task::JoinHandle<()>) {
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.address().unwrap();
    let (stopper, stop) = Stopper::new();
    let serving =
        tokio::spawn(async move { Server::new(limits).serve(listener, stop, handle).await });
    (
        Endpoint::Tcp {
            host: "127.0.0.1".into(),
            port: address.port(),
        },
        stopper,
        serving,
    )
}

fn put(path: &str, body: &'static str) -> Request {
    Request::new(Method::PUT, path).with_body("text/plain", body)
}

#[tokio::test]
async fn a_body_comes_back_and_the_connection_is_used_again() {
    let (endpoint, _stopper, _) = start(ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    });
    let client = Client::new();
    for _ in 0..3 {
        let answer = client
            .request(&endpoint, put("/echo", "hello"), &Limits::default())
            .await
            .unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    }
}

#[tokio::test]
async fn pieces_arrive_as_one_body() {
    let (endpoint, _stopper, _) = start(ServerLimits::default());
    let answer = get(&format!("http://{endpoint}/pieces"), &Limits::default())
        .await
        .unwrap();
    assert_eq!(&answer.body[..], b"abc");
}

#[tokio::test]
async fn redirects_are_followed_and_bounded() {
    let (endpoint, _stopper, _) = start(ServerLimits::default());
    let answer = get(&format!("http://{endpoint}/moved"), &Limits::default())
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    let error = get(&format!("http://{endpoint}/loop"), &Limits::default())
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_above_the_limit_is_an_error() {
    let (endpoint, _stopper, _) = start(ServerLimits::default());
    let limits = Limits {
        body: 4,
        ..Limits::default()
    };
    let error = Client::new()
        .request(&endpoint, put("/echo", "hello"), &limits)
        .await
        .unwrap_err();
    assert!(
        matches!(error, HttpError::TooLarge { limit: 4, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_request_above_the_limit_is_answered_413() {
    let (endpoint, _stopper, _) = start(ServerLimits {
        body: 4,
        ..ServerLimits::default()
    });
    let answer = Client::new()
        .request(&endpoint, put("/echo", "hello"), &Limits::default())
        .await
        .unwrap();
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn one_path_may_have_larger_bodies() {
    let (endpoint, _stopper, _) = start(ServerLimits {
        body: 4,
        large: Some(Large {
            path: "/echo",
            body: 5,
            body_read: Duration::from_secs(5),
        }),
        ..ServerLimits::default()
    });
    for (path, body, want) in [
        ("/echo", "hello", 200),
        ("/echo", "hello!", 413),
        ("/other", "hello", 413),
    ] {
        let answer = Client::new()
            .request(&endpoint, put(path, body), &Limits::default())
            .await
            .unwrap();
        assert_eq!(answer.status, want, "{path} {body}");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_the_read_limit() {
    let (endpoint, _stopper, _) = start(ServerLimits::default());
    let limits = Limits {
        read: Duration::from_millis(50),
        ..Limits::default()
    };
    let error = Client::new()
        .request(&endpoint, put("/slow", "x"), &limits)
        .await
        .unwrap_err();
    assert!(error.is_timeout() && !error.is_before_sending(), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_an_error_before_sending() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = get(&url, &Limits::default()).await.unwrap_err();
    assert!(error.is_before_sending(), "{error}");
}

#[tokio::test]
async fn a_client_that_sends_no_header_is_cut_off() {
    let (endpoint, _stopper, _) = start(ServerLimits {
        header_read: Duration::from_millis(50),
        ..ServerLimits::default()
    });
    let mut socket = tokio::net::TcpStream::connect(endpoint.to_string())
        .await
        .unwrap();
    socket.write_all(b"GET / HT").await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await;
    read.expect("the server has to close").unwrap();
}

#[tokio::test]
async fn a_stop_lets_a_running_request_finish_and_refuses_new_ones() {
    let (endpoint, stopper, serving) = start(ServerLimits::default());
    let client = Client::new();
    let limits = Limits::default();
    let running = client.request(&endpoint, put("/slow", "x"), &limits);
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stopper.stop();
    };
    let (answer, ()) = tokio::join!(running, stopping);
    assert_eq!(&answer.unwrap().body[..], b"slow");
    let begin = Instant::now();
    serving.await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3));
    let refused = Client::new()
        .request(&endpoint, put("/echo", "x"), &limits)
        .await;
    refused.expect_err("nobody listens any more");
}

#[tokio::test]
async fn a_unix_socket_is_served_like_a_port() {
    let folder = std::env::temp_dir().join(format!("http-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("s");
    let listener = Listener::unix(&path).unwrap();
    let (_stopper, stop) = Stopper::new();
    tokio::spawn(async move {
        Server::new(ServerLimits::default())
            .serve(listener, stop, handle)
            .await;
    });
    let answer = Client::new()
        .request(&Endpoint::Unix(path), put("/echo", "u"), &Limits::default())
        .await
        .unwrap();
    assert_eq!(&answer.body[..], b"u");
    std::fs::remove_dir_all(folder).unwrap();
}
