//! Asking the members of a Galera cluster how they are: each answers on a port of its own, whether MariaDB runs or not.

use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use indexmap::IndexMap;

use super::decide::Reports;
use super::report::Report;

/// How long a member may take to take the call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// More than any answer is long.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Asks all members at once.
pub(super) fn ask(members: &IndexMap<String, String>, port: u16) -> Reports {
    std::thread::scope(|scope| {
        let asked: Vec<_> = members.iter().map(|(name, address)| (name, scope.spawn(move || ask_one(address, port)))).collect();
        let silent = || Err("asking it failed".to_owned());
        asked.into_iter().map(|(name, answer)| (name.clone(), answer.join().unwrap_or_else(|_| silent()))).collect()
    })
}

fn ask_one(address: &str, port: u16) -> Result<Report, String> {
    let addresses = (address, port).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut last = format!("{address} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => return read(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

fn read(stream: TcpStream) -> Result<Report, String> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(|error| error.to_string())?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Report::parse(&text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// A member that says this to everybody who calls, on a port of its own.
    fn member(says: &'static str) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(says.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn a_member_that_answers_in_part_does_not_answer() {
        assert!(ask_one("127.0.0.1", member("process=stopped\nend=yes\n")).is_ok());
        assert!(ask_one("127.0.0.1", member("process=stopped\nseqno=1")).is_err_and(|why| why.contains("cut off")));
        let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        assert!(ask_one("127.0.0.1", closed).is_err_and(|why| why.contains("127.0.0.1")));
    }
}
