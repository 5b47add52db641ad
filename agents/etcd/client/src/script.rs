//! A server for tests that answers as it is told, one request after the other.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Client;

/// One answer: status, `X-Etcd-Index`, body. Status 0 closes the connection instead.
pub(crate) type Answer = (u16, u64, &'static str);

/// A client of a server that gives these answers; the task ends after the last one with the first
/// lines and bodies of the requests.
pub(crate) async fn play(answers: &'static [Answer]) -> (Client, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, index, body) in answers {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            asked.push(read(&mut stream).await);
            if *status != 0 {
                let head = format!(
                    "HTTP/1.1 {status} x\r\nX-Etcd-Index: {index}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.get_mut().write_all(head.as_bytes()).await.unwrap();
            }
        }
        asked
    });
    let client = Client::new(&[format!("http://{address}")]).unwrap();
    (client, served)
}

async fn read(stream: &mut BufReader<tokio::net::TcpStream>) -> String {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    format!("{} {}", first.trim(), String::from_utf8(body).unwrap())
}
