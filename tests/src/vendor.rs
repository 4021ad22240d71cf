//! A vendor that misbehaves as it is told: each connection gets the next answer, byte for byte.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running vendor and the element that describes it.
pub struct Vendor {
    /// The folder with the descriptor, for `--elements`.
    pub elements: TempDir,
    requests: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Answer>>,
}

/// What a request is answered, byte for byte.
type Answer = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

impl Vendor {
    /// Starts a vendor whose element has the key `faulty`.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a vendor with further habits of refreshing, as its descriptor writes them.
    pub async fn start_with(habits: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let elements = tempfile::tempdir().unwrap();
        let habits = format!("[oauth2.refresh]\n{habits}\n");
        let descriptor = include_str!("vendor.toml").replace("[oauth2.refresh]\n", &habits);
        let descriptor = descriptor.replace("http://127.0.0.1:0", &address);
        std::fs::write(elements.path().join("vendor.toml"), descriptor).unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let answer = Arc::new(Mutex::new(Arc::new(|_: &str| Vec::new()) as Answer));
        let vendor = Self { elements, requests: Arc::clone(&requests), answer: Arc::clone(&answer) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&requests)));
            }
        });
        vendor
    }

    /// Says what every request is answered from now on: a status line's end, headers and a body.
    pub fn answers(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.answers_raw(text.into_bytes());
    }

    /// Says what every request is answered from now on, whole.
    pub fn answers_raw(&self, bytes: Vec<u8>) {
        self.answers_by(move |_| bytes.clone());
    }

    /// Says what answers requests from now on.
    pub fn answers_by(&self, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    /// Gives the requests that came so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Mutex<Answer>>, requests: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(read) => request.extend_from_slice(&chunk[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let answer = Arc::clone(&answer.lock().unwrap());
    let answer = answer(&request);
    requests.lock().unwrap().push(request);
    // The broker may hang up first, when it has read enough.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}
