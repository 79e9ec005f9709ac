//! The network between a host and its server: a relay on loopback that a test can cut, at any byte and in
//! either direction.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How far a connection lives, in bytes; none is for ever.
#[derive(Debug, Clone, Copy, Default)]
struct Reach {
    to_server: Option<usize>,
    to_host: Option<usize>,
}

/// A relay; connections end with the test's process.
pub struct Line {
    address: SocketAddr,
    server: Arc<Mutex<Option<SocketAddr>>>,
    reach: Arc<Mutex<Reach>>,
    was_cut: Arc<AtomicBool>,
    passed: Arc<[AtomicUsize; 2]>,
}

impl Line {
    /// A line to a server.
    ///
    /// # Panics
    /// There is no free port.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Self {
            address,
            server: Arc::new(Mutex::new(Some(server))),
            reach: Arc::default(),
            was_cut: Arc::default(),
            passed: Arc::default(),
        };
        let (server, reach) = (Arc::clone(&line.server), Arc::clone(&line.reach));
        let (was_cut, passed) = (Arc::clone(&line.was_cut), Arc::clone(&line.passed));
        std::thread::spawn(move || {
            for host in listener.incoming().flatten() {
                let Some(server) = *server.lock().unwrap() else { continue };
                let Ok(server) = TcpStream::connect(server) else { continue };
                let reach = *reach.lock().unwrap();
                let [there, back] = [0, 1].map(|way| {
                    let (was_cut, passed) = (Arc::clone(&was_cut), Arc::clone(&passed));
                    move |bytes, is_cut| {
                        passed[way].fetch_add(bytes, Ordering::SeqCst);
                        was_cut.fetch_or(is_cut, Ordering::SeqCst);
                    }
                });
                relay(&host, &server, reach.to_server, there);
                relay(&server, &host, reach.to_host, back);
            }
        });
        line
    }

    /// What a host is told as its server.
    pub fn url(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Leads to another server, or nowhere.
    ///
    /// # Panics
    /// The relay has broken down.
    pub fn lead_to(&self, server: Option<SocketAddr>) {
        *self.server.lock().unwrap() = server;
    }

    /// Cuts every connection from now on after so many bytes in one direction or the other.
    ///
    /// # Panics
    /// The relay has broken down.
    pub fn cut_after(&self, to_server: Option<usize>, to_host: Option<usize>) {
        *self.reach.lock().unwrap() = Reach { to_server, to_host };
    }

    /// The bytes that passed since this was last asked, to the server and to the host.
    pub fn passed(&self) -> [usize; 2] {
        [0, 1].map(|way| self.passed[way].swap(0, Ordering::SeqCst))
    }

    /// Whether a connection was cut since this was last asked.
    pub fn was_cut(&self) -> bool {
        self.was_cut.swap(false, Ordering::SeqCst)
    }
}

/// Passes on what comes from one side, as far as it reaches, and tells of it.
fn relay(from: &TcpStream, to: &TcpStream, reach: Option<usize>, tell: impl Fn(usize, bool) + Send + 'static) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    std::thread::spawn(move || {
        let mut left = reach.unwrap_or(usize::MAX);
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let passed = count.min(left);
            left -= passed;
            tell(passed, left == 0);
            if to.write_all(&buffer[..passed]).is_err() || left == 0 {
                break;
            }
        }
        // Both ways at once, as when a cable is pulled.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
