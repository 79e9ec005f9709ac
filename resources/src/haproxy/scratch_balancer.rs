//! A stand-in for HAProxy's runtime socket, for tests: it has `web/a` and `web/b`, and does what it is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::SOCKET;
use crate::host::Host;

/// A socket that answers as HAProxy's does. It is gone when this is dropped.
pub(crate) struct Balancer {
    socket: PathBuf,
    inner: Arc<Mutex<Inner>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

struct Inner {
    servers: BTreeMap<String, Server>,
    told: Vec<String>,
    asked: usize,
}

struct Server {
    admin: u32,
    health: u32,
    weight: u32,
    sessions: u32,
}

impl Balancer {
    /// One for a scratch host. The socket itself is elsewhere: a look at the host's files finds a link.
    pub(crate) fn lend_to(host: &Host) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let link = host.locate(SOCKET);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&socket, link).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let server = |name: &str| (name.to_owned(), Server { admin: 0, health: 2, weight: 1, sessions: 0 });
        let inner = Inner { servers: ["web/a", "web/b"].map(server).into(), told: Vec::new(), asked: 0 };
        let (inner, over) = (Arc::new(Mutex::new(inner)), Arc::new(AtomicBool::new(false)));
        let (shared, ends) = (Arc::clone(&inner), Arc::clone(&over));
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                answer(stream, &shared);
            }
        };
        Self { socket, inner, over, thread: Some(std::thread::spawn(serve)), _folder: folder }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What it was told, in order.
    pub(crate) fn told(&self) -> Vec<String> {
        self.inner().told.clone()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.inner().asked
    }

    /// Gives a server so many sessions.
    pub(crate) fn keep_sessions(&self, name: &str, sessions: u32) {
        self.inner().servers.get_mut(name).unwrap().sessions = sessions;
    }

    /// Has the checks find a server down.
    pub(crate) fn find_down(&self, name: &str) {
        self.inner().servers.get_mut(name).unwrap().health = 0;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // It looks whether it is over when somebody calls.
        let _ = UnixStream::connect(&self.socket);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: UnixStream, inner: &Mutex<Inner>) {
    let mut line = String::new();
    let _ = BufReader::new(&stream).read_line(&mut line);
    let said = inner.lock().unwrap().answer(line.trim());
    let _ = stream.write_all(said.as_bytes());
}

impl Inner {
    fn answer(&mut self, line: &str) -> String {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["show", "servers", "state"] => self.states(),
            ["show", "stat", "-1", "4", "-1"] => self.figures(),
            ["set", "server", name, what, value] => {
                self.told.push(format!("{name} {what} {value}"));
                format!("{}\n", self.set(name, what, value))
            }
            _ => "Unknown command.\n\n".to_owned(),
        }
    }

    fn set(&mut self, name: &str, what: &str, value: &str) -> &'static str {
        let Some(server) = self.servers.get_mut(name) else { return "No such server.\n" };
        match (what, value) {
            ("state", "ready") => server.admin = 0,
            ("state", "drain") => server.admin = 8,
            ("state", "maint") => server.admin = 1,
            ("weight", "256") => return "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.\n",
            ("weight", number) => server.weight = number.parse().unwrap(),
            _ => return "'set server' has no such word.\n",
        }
        ""
    }

    fn states(&mut self) -> String {
        self.asked += 1;
        let mut text = String::from("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n");
        for (name, server) in &self.servers {
            let (backend, own) = name.split_once('/').unwrap();
            let Server { admin, health, weight, .. } = server;
            writeln!(text, "2 {backend} 1 {own} 127.0.0.1 {health} {admin} {weight} 1").unwrap();
        }
        text + "\n"
    }

    fn figures(&mut self) -> String {
        self.asked += 1;
        let mut text = String::from("# pxname,svname,qcur,qmax,scur\n");
        for (name, server) in &self.servers {
            writeln!(text, "{},0,0,{}", name.replace('/', ","), server.sessions).unwrap();
        }
        text + "\n"
    }
}
