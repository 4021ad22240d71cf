//! Connections whose requests are mended before the HTTP server reads them: it would refuse, without a word, what
//! the functions answer on AWS. In a request's first line the bytes that no URI may hold are encoded, as its client
//! should have done; a header whose value holds a control byte is left out.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use web::target;

/// The longest head of a request that is mended, in bytes: longer ones pass as they are.
const LONGEST_HEAD: usize = 64 * 1024;

/// Accepts connections of TCP, and mends what they bring.
pub(crate) struct Lenient(pub(crate) TcpListener);

impl Listener for Lenient {
    type Io = Mended<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Mended { stream, requests: Requests::default() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A connection whose requests are mended as they are read.
pub(crate) struct Mended<S> {
    stream: S,
    requests: Requests,
}

impl<S: AsyncRead + Unpin> AsyncRead for Mended<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, requests } = self.get_mut();
        while requests.mended.is_empty() {
            let mut bytes = [0; 8 * 1024];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                requests.end();
                break;
            }
            requests.take(read.filled());
        }
        let length = requests.mended.len().min(out.remaining());
        out.put_slice(&requests.mended[..length]);
        requests.mended.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mended<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The requests of one connection: what was read of the next head, and what the server has not taken yet.
#[derive(Default)]
struct Requests {
    head: Vec<u8>,
    mended: Vec<u8>,
    next: Next,
}

/// What a connection brings next.
#[derive(Debug, Default, PartialEq)]
enum Next {
    /// The head of a request.
    #[default]
    Head,
    /// So many bytes of a body.
    Body(usize),
    /// What is passed on as it is: it is not known here where another request begins.
    Anything,
}

impl Requests {
    /// Takes what the client sent.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.next {
                Next::Anything => bytes.len(),
                Next::Body(left) => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    taken
                }
                Next::Head => {
                    bytes = self.take_of_head(bytes);
                    continue;
                }
            };
            self.mended.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.next == Next::Body(0) {
                self.next = Next::Head;
            }
        }
    }

    /// Takes what belongs to a head, mends it when it is whole, and gives what follows it.
    fn take_of_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let known = self.head.len();
        self.head.extend_from_slice(bytes);
        let end = end_of_head(&self.head, known).filter(|length| *length <= LONGEST_HEAD);
        let Some(length) = end else {
            if self.head.len() > LONGEST_HEAD {
                self.end();
            }
            return &[];
        };
        self.head.truncate(length);
        let lines = self.head.split_inclusive(|byte| *byte == b'\n');
        self.next = after(lines.clone());
        for (number, line) in lines.enumerate() {
            if number == 0 {
                self.mended.extend(with_usable_target(line));
            } else if is_usable(line) {
                self.mended.extend_from_slice(line);
            }
        }
        self.head.clear();
        &bytes[length - known..]
    }

    /// Passes on what was read, and all that comes, as it is.
    fn end(&mut self) {
        self.mended.append(&mut self.head);
        self.next = Next::Anything;
    }
}

/// Finds the end of a head: its empty line, or one before its first line. The first `known` bytes hold none.
fn end_of_head(head: &[u8], known: usize) -> Option<usize> {
    let after = |at: usize, ends: [&[u8]; 2]| {
        ends.into_iter().find(|end| head[at..].starts_with(end)).map(|end| at + end.len())
    };
    let before_first_line = after(0, [b"\n", b"\r\n"]);
    before_first_line
        .or_else(|| (known.saturating_sub(2)..head.len()).find_map(|at| after(at, [b"\n\n", b"\n\r\n"])))
}

/// Tells what follows a head, of which this reads no more than is certain.
fn after<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Next {
    let mut length = None;
    for (name, value) in lines.filter_map(header) {
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Next::Anything;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.trim_ascii();
            let digits = std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
            let told = digits.and_then(|digits| digits.parse().ok());
            let (Some(told), None) = (told, length) else { return Next::Anything };
            length = Some(told);
        }
    }
    length.filter(|length| *length > 0).map_or(Next::Head, Next::Body)
}

/// Reads a header's name and value (RFC 9112 section 5), up to the end of its line.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((line[..colon].trim_ascii(), &line[colon + 1..]))
}

/// Tells whether the server takes a header's value. Those that tell a body's length stay for it to judge, and so
/// does what is no header; and a lone CR, which a proxy before this may have taken for the end of a line (RFC 9112
/// section 2.2).
fn is_usable(line: &[u8]) -> bool {
    let Some((name, value)) = header(line).filter(|_| !line.starts_with(b" ") && !line.starts_with(b"\t"))
    else {
        return true;
    };
    let tells_length =
        name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding");
    tells_length
        || value.contains(&b'\r')
        || !value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

/// Encodes what a request's target may not hold: what stands between the method and the version (RFC 9112
/// section 3).
fn with_usable_target(line: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| *byte == b' ';
    let (first, last) = (line.iter().position(space), line.iter().rposition(space));
    match first.zip(last).filter(|(first, last)| first < last) {
        Some((first, last)) if line[last..].starts_with(b" HTTP/") => {
            let target = target::mended(&line[first + 1..last]);
            [&line[..=first], target.as_bytes(), &line[last..]].concat()
        }
        _ => line.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what the server reads of what a client sent in pieces of so many bytes.
    fn read(sent: &[u8], piece: usize) -> String {
        let mut requests = Requests::default();
        for bytes in sent.chunks(piece) {
            requests.take(bytes);
        }
        requests.end();
        requests.mended.escape_ascii().to_string()
    }

    #[track_caller]
    fn is_read_as(sent: &[u8], expected: &[u8]) {
        for piece in [1, 2, 3, 7, sent.len()] {
            assert_eq!(read(sent, piece), expected.escape_ascii().to_string(), "in pieces of {piece}");
        }
    }

    #[test]
    fn what_a_server_takes_is_not_touched() {
        for sent in [
            b"GET /a?b=%3C[]~ HTTP/1.1\r\nHost: h\r\nCookie: a=\xEE\t\r\n\r\n".as_slice(),
            b"\r\nPOST / HTTP/1.1\r\ncontent-length: 22\r\n\r\nGET /< HTTP/1.1\r\nA: \x00\n\n\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na<b\r\n0\r\n\r\nGET /< HTTP/1.1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nGET /< HTTP/1.1\r\n\r\n",
            b"GET http://[::1]:9000/ HTTP/1.1\nHost: h\n\n",
            b"\x16\x03\x01 < nothing that a server knows",
        ] {
            is_read_as(sent, sent);
        }
        let long = [b"GET / HTTP/1.1\r\nA: \x01".as_slice(), &vec![b'a'; LONGEST_HEAD], b"\r\n\r\n"].concat();
        is_read_as(&long, &long);
    }

    #[test]
    fn a_target_is_encoded_as_its_client_should_have_done() {
        is_read_as(
            b"GET /a b?c=<d>\x00\xEE#e HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /a%20b?c=%3Cd%3E%00%EE%23e HTTP/1.1\r\nHost: h\r\n\r\n",
        );
    }

    #[test]
    fn a_header_that_the_server_refuses_is_left_out_unless_it_tells_a_length() {
        is_read_as(
            b"GET / HTTP/1.1\r\nA: \x01\r\nB: b\r\nC: c\x0c\r\nE: \x7f\r\n\r\n",
            b"GET / HTTP/1.1\r\nB: b\r\n\r\n",
        );
        let unclear =
            b"GET / HTTP/1.1\r\nContent-Length: 1\x01\r\n folded: \x01\r\nD: d\re\r\nno header \x01\r\n\r\n";
        is_read_as(unclear, unclear);
    }

    #[test]
    fn requests_that_follow_a_body_are_mended_too() {
        is_read_as(
            b"POST /< HTTP/1.1\r\nContent-Length: 2\r\n\r\n<\x00GET /> HTTP/1.1\r\n\r\n\r\nGET /| HTTP/1.1\n\n",
            b"POST /%3C HTTP/1.1\r\nContent-Length: 2\r\n\r\n<\x00GET /%3E HTTP/1.1\r\n\r\n\r\nGET /%7C HTTP/1.1\n\n",
        );
    }
}
