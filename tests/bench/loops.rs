//! The bare loops: the least that a correct tool could do, in as little code.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::Result;

/// Runs the loop of that name over the files of a folder.
pub(crate) fn run(kind: &str, folder: &Path, count: &str) -> Result<()> {
    let paths = (0..count.parse::<usize>()?).map(|number| folder.join(file_name(number)));
    match kind {
        "stat" => paths.map(|path| stat(&path)).sum::<Result<u64>>().map(drop),
        "read" => paths.map(|path| stat(&path).and_then(|_| read(&path))).collect::<Result<Vec<_>>>().map(drop),
        "write" => {
            paths.enumerate().try_for_each(|(number, path)| write(folder, &path, &contents(number)))?;
            // The names last once the folder is on disk; once, behind all of them, is the least.
            Ok(File::open(folder)?.sync_all()?)
        }
        "state" => {
            let texts = paths.map(|path| read(&path)).collect::<Result<Vec<_>>>();
            texts.and_then(|_| state())
        }
        _ => Err(format!("no loop {kind}").into()),
    }
}

pub(crate) fn file_name(number: usize) -> String {
    format!("f{number}")
}

/// One KiB that no other file has.
pub(crate) fn contents(number: usize) -> String {
    format!("{number}\n{}\n", "x".repeat(1000))
}

fn stat(path: &Path) -> Result<u64> {
    Ok(std::fs::symlink_metadata(path)?.len())
}

fn read(path: &PathBuf) -> Result<blake3::Hash> {
    let mut bytes = Vec::with_capacity(2048);
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(blake3::hash(&bytes))
}

fn write(folder: &Path, path: &Path, text: &str) -> Result<()> {
    let temporary = folder.join("temporary");
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(std::fs::rename(&temporary, path)?)
}

/// What is installed, who is there and what runs, each read once.
fn state() -> Result<()> {
    for path in ["/var/lib/dpkg/status", "/etc/passwd", "/etc/group"] {
        let mut names = Vec::new();
        for line in BufReader::new(File::open(path)?).lines() {
            let line = line?;
            let name = line.strip_prefix("Package: ").or_else(|| line.split_once(':').map(|(name, _)| name));
            names.extend(name.map(str::to_owned));
        }
        assert!(!names.is_empty(), "{path} is empty");
    }
    let answer = ask_systemd()?;
    if answer < 1000 { Err("systemd listed no units".into()) } else { Ok(()) }
}

/// Asks systemd for all its units by its private socket, and gives the length of the answer. The bus
/// would forward the same bytes.
fn ask_systemd() -> Result<usize> {
    let mut stream = UnixStream::connect("/run/systemd/private")?;
    stream.write_all(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n")?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    stream.write_all(&list_units_call())?;
    loop {
        let mut header = [0; 16];
        stream.read_exact(&mut header)?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
        let rest = word(12).next_multiple_of(8) + word(4);
        let mut body = vec![0; rest];
        stream.read_exact(&mut body)?;
        // 2 is a method's return, 3 an error; signals may come between.
        match header[1] {
            2 => return Ok(rest),
            3 => return Err(format!("systemd: {}", String::from_utf8_lossy(&body)).into()),
            _ => {}
        }
    }
}

/// A D-Bus call of `org.freedesktop.systemd1.Manager.ListUnits`, as it stands on the wire.
fn list_units_call() -> Vec<u8> {
    let mut fields = Vec::new();
    let texts = [
        (1, b'o', "/org/freedesktop/systemd1"),
        (6, b's', "org.freedesktop.systemd1"),
        (2, b's', "org.freedesktop.systemd1.Manager"),
        (3, b's', "ListUnits"),
    ];
    for (code, kind, text) in texts {
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend([code, 1, kind, 0]);
        fields.extend((text.len() as u32).to_le_bytes());
        fields.extend(text.as_bytes());
        fields.push(0);
    }
    let mut message = vec![b'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0];
    message.extend((fields.len() as u32).to_le_bytes());
    message.extend(fields);
    message.resize(message.len().next_multiple_of(8), 0);
    message
}
