//! `/v1/content/{blake3}`: bytes that one of the asker's catalogs names, from any byte on.

use std::io::SeekFrom;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use keel_engine::contents::Blob;
use keel_engine::digest::Digest;
use keel_engine::protocol::problem::Code;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};

use super::Here;
use super::conditional::{etag, is_unchanged};
use super::elsewhere::find_content;
use crate::body::Named;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::route::{Header, Http};

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;

/// The headers of a content.
pub const HTTP: Http = Http {
    reads: &[
        Header {
            name: "range",
            about: "The part that is wanted, such as `bytes=1024-`; of several ranges none is taken.",
            required: false,
        },
        Header { name: "if-range", about: "The entity tag that the range is for; with another one the whole comes.", required: false },
        Header { name: "if-none-match", about: "The entity tag of what the host has.", required: false },
    ],
    sets: &[
        Header { name: "etag", about: "The blake3 of the whole content, in quotes.", required: true },
        Header { name: "accept-ranges", about: "`bytes`.", required: true },
        Header { name: "content-range", about: "Which part it is, if it is one.", required: false },
    ],
    also: &[(206, "The part that was wanted."), (304, "The content is the one that the host has.")],
};

/// Gives them. What is not the host's to see is as absent as what is not there.
pub async fn show(State(server): Here, caller: Caller, Named(digest): Named<Digest>, headers: HeaderMap) -> Result<Response, Refusal> {
    let mut found = server.compiler.content(caller.host.as_str(), digest).await?;
    if found.is_none() && find_content(&server, &caller, &digest).await? {
        found = server.compiler.content(caller.host.as_str(), digest).await?;
        if found.is_none() {
            return Err(Refusal::new(Code::Unavailable, "this server has yet to find the commit that has the content"));
        }
    }
    let (blob, file) = found.ok_or_else(|| Refusal::new(Code::NotFound, "no catalog of this host names such a content"))?;
    sent(blob, file, &headers).await
}

/// A content as it goes out: the whole, or the range that is wanted, unless the client has it.
///
/// # Errors
/// The range begins after the end, or the file cannot be read.
pub(super) async fn sent(blob: Blob, file: std::fs::File, headers: &HeaderMap) -> Result<Response, Refusal> {
    let digest = blob.digest;
    if is_unchanged(headers, &digest) {
        return Ok(with_headers(Response::new(Body::empty()), StatusCode::NOT_MODIFIED, &digest));
    }
    let range = wanted(headers, &digest, blob.size).map_err(|()| {
        Refusal::new(Code::RangeNotSatisfiable, format!("the content has {} bytes, and the range begins after them", blob.size))
    })?;
    let (from, length) = range.map_or((0, blob.size), |(first, last)| (first, last - first + 1));
    let mut file = tokio::fs::File::from_std(file);
    file.seek(SeekFrom::Start(from)).await.map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = with_headers(Response::new(Body::new(FileBody { file, left: length })), status, &digest);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let span = range.and_then(|(first, last)| HeaderValue::from_str(&format!("bytes {first}-{last}/{}", blob.size)).ok());
    response.headers_mut().extend(span.map(|span| (header::CONTENT_RANGE, span)));
    Ok(response)
}

fn with_headers(mut response: Response, status: StatusCode, digest: &Digest) -> Response {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(digest));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

/// The first and last byte that are wanted; none for the whole. Fails if the range begins after the end.
/// A range that is not understood, several ranges, and a range of something else mean the whole.
fn wanted(headers: &HeaderMap, digest: &Digest, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if headers.get(header::IF_RANGE).is_some_and(|tag| *tag != etag(digest)) {
        return Ok(None);
    }
    let Some((first, last)) =
        text(header::RANGE).and_then(|range| range.trim().strip_prefix("bytes=")).and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>();
    match (number(first), number(last)) {
        (Ok(first), _) if first >= size => Err(()),
        (Ok(first), Ok(last)) if first <= last => Ok(Some((first, last.min(size - 1)))),
        (Ok(first), Err(_)) if last.trim().is_empty() => Ok(Some((first, size - 1))),
        (Err(_), Ok(0)) if first.trim().is_empty() => Err(()),
        (Err(_), Ok(count)) if first.trim().is_empty() && size > 0 => Ok(Some((size.saturating_sub(count), size - 1))),
        _ => Ok(None),
    }
}

/// A part of a file as a body, read as it is sent.
struct FileBody {
    file: tokio::fs::File,
    left: u64,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let length = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        if length == 0 {
            return Poll::Ready(None);
        }
        let mut bytes = vec![0; length];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.file).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {
                let read = buffer.filled().len();
                bytes.truncate(read);
                if read == 0 {
                    return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
                }
                self.left -= read as u64;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes)))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_within_the_content() {
        let id = Digest::of(b"x");
        let range = |text: &str, size| {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_str(text).unwrap())]);
            wanted(&headers, &id, size)
        };
        assert_eq!(range("bytes=0-4", 10), Ok(Some((0, 4))));
        assert_eq!(range("bytes=5-", 10), Ok(Some((5, 9))));
        assert_eq!(range("bytes=5-99", 10), Ok(Some((5, 9))));
        assert_eq!(range("bytes=-3", 10), Ok(Some((7, 9))));
        assert_eq!(range("bytes=-30", 10), Ok(Some((0, 9))));
        for beyond in ["bytes=10-", "bytes=-0"] {
            assert_eq!(range(beyond, 10), Err(()), "{beyond}");
        }
        assert_eq!(range("bytes=0-", 0), Err(()));
        for whole in ["bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x-"] {
            assert_eq!(range(whole, 10), Ok(None), "{whole}");
        }
        let mut headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=5-"))]);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"other\""));
        assert_eq!(wanted(&headers, &id, 10), Ok(None));
    }
}
