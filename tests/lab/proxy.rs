//! A caching proxy for the nodes' apt, which have no way out of their bridge.
//!
//! It serves only hosts that the machine's own apt sources name, and fetches with apt's own helper, so
//! the machine's proxies, certificates and retries hold here too.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::command::run_ok;
use super::sources::Sources;
use super::{LabError, Result};

/// The port, the one that caching proxies for apt commonly have.
pub(super) const PORT: u16 = 3142;

/// A request longer than this is none of apt's.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// A running proxy; dropping it ends it.
pub(super) struct Proxy {
    address: (Ipv4Addr, u16),
    ending: Arc<AtomicBool>,
}

struct Shelf {
    sources: Sources,
    folder: PathBuf,
    fetched: AtomicU64,
}

impl Proxy {
    pub(super) fn start(address: Ipv4Addr, sources: Sources, folder: PathBuf) -> Result<Proxy> {
        let address = (address, PORT);
        let listener = TcpListener::bind(address).map_err(LabError::doing(format!("proxy on {}:{}", address.0, address.1)))?;
        let ending = Arc::new(AtomicBool::new(false));
        let shelf = Arc::new(Shelf { sources, folder, fetched: AtomicU64::new(0) });
        let seen = Arc::clone(&ending);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let shelf = Arc::clone(&shelf);
                // A client that goes away in the middle is its own affair.
                std::thread::spawn(move || stream.and_then(|stream| shelf.serve(stream)).ok());
            }
        });
        Ok(Proxy { address, ending })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // The listener looks at the flag when somebody knocks.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shelf {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let request = read_request(&mut stream)?;
        let Some((host, path)) = parse_request(&request) else {
            return refuse(&mut stream, "400 Bad Request");
        };
        let Some(scheme) = self.sources.scheme(host) else {
            return refuse(&mut stream, "403 Forbidden");
        };
        let kept = self.folder.join(host).join(path);
        if (!immutable(path) || !kept.is_file()) && !self.fetch(&format!("{scheme}://{host}/{path}"), &kept) && !kept.is_file() {
            return refuse(&mut stream, "404 Not Found");
        }
        let mut file = File::open(&kept)?;
        let length = file.metadata()?.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
        io::copy(&mut file, &mut stream)?;
        Ok(())
    }

    /// Whether the file could be had. A file that was fetched before outlives an archive that is away.
    fn fetch(&self, uri: &str, kept: &Path) -> bool {
        let number = self.fetched.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("incoming.{}.{number}", std::process::id()));
        let fetched = run_ok(
            Command::new("/usr/lib/apt/apt-helper")
                .args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2", "download-file", uri])
                .arg(&temporary),
        );
        let made = kept.parent().map(std::fs::create_dir_all);
        let done = fetched.is_ok() && matches!(made, Some(Ok(()))) && std::fs::rename(&temporary, kept).is_ok();
        if !done {
            // There may be nothing to remove.
            let _ = std::fs::remove_file(&temporary);
        }
        done
    }
}

fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 2048];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") && bytes.len() < REQUEST_BYTES_MAX {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Host and path of a request to a proxy; `None` for what no apt would ask.
fn parse_request(request: &str) -> Option<(&str, &str)> {
    let uri = request.lines().next()?.strip_prefix("GET http://")?.split_once(' ')?.0;
    let (host, path) = uri.split_once('/')?;
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    (plain(host) && path.split('/').all(plain) && !path.contains(['?', '\\', '\0'])).then_some((host, path))
}

/// Whether what a path names can never change.
fn immutable(path: &str) -> bool {
    path.contains("/pool/") || path.contains("/by-hash/")
}

fn refuse(stream: &mut TcpStream, status: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_host_and_path() {
        let request = "GET http://mirror.example/debian/pool/main/n/nginx.deb HTTP/1.1\r\nHost: mirror.example\r\n\r\n";
        assert_eq!(parse_request(request), Some(("mirror.example", "debian/pool/main/n/nginx.deb")));
    }

    #[test]
    fn paths_that_climb_are_no_requests() {
        for path in ["../etc/shadow", "debian/../../etc/shadow", "debian//x", "", "a?b"] {
            assert_eq!(parse_request(&format!("GET http://mirror.example/{path} HTTP/1.1\r\n\r\n")), None, "{path}");
        }
        assert_eq!(parse_request("CONNECT mirror.example:443 HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn indexes_are_asked_for_again() {
        assert!(immutable("debian/pool/main/n/nginx.deb"));
        assert!(!immutable("debian/dists/bookworm/InRelease"));
    }
}
